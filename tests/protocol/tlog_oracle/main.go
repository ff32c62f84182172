// Command tlog-oracle answers what Go's own transparency log (golang.org/x/mod/sumdb) says about leaves, proofs, tiles
// and notes. For tests only: one JSON question on standard input, one JSON answer on standard output.
package main

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// claim is one proof to be judged: "inclusion" of Leaf at Index, or "consistency" with OldRoot at Old.
type claim struct {
	Kind    string   `json:"kind"`
	Index   int64    `json:"index"`
	Leaf    string   `json:"leaf"`
	Old     int64    `json:"old"`
	OldRoot string   `json:"old_root"`
	Size    int64    `json:"size"`
	Root    string   `json:"root"`
	Hashes  []string `json:"hashes"`
}

type question struct {
	Ask       string   `json:"ask"`
	Leaves    []string `json:"leaves"`
	Claims    []claim  `json:"claims"`
	Note      string   `json:"note"`
	PublicKey string   `json:"public_key"`
}

func main() {
	var asked question
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		fail(err)
	}
	var answer any
	var err error
	switch asked.Ask {
	case "prove":
		answer, err = prove(asked.Leaves)
	case "check":
		answer = check(asked.Claims)
	case "tiles":
		answer, err = tiles(asked.Leaves)
	case "open":
		answer, err = open(asked.Note, asked.PublicKey)
	case "witness":
		answer, err = witness(asked.Note, asked.PublicKey)
	default:
		err = fmt.Errorf("unknown question %q", asked.Ask)
	}
	if err != nil {
		fail(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(answer); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// stored is tlog's own storage, in memory.
type stored []tlog.Hash

func (s stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if index >= int64(len(s)) {
			return nil, fmt.Errorf("hash %d is not stored", index)
		}
		found[i] = s[index]
	}
	return found, nil
}

func store(leaves []string) (stored, error) {
	var all stored
	for number, text := range leaves {
		leaf, err := hash(text)
		if err != nil {
			return nil, err
		}
		more, err := tlog.StoredHashesForRecordHash(int64(number), leaf, all)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return all, nil
}

func prove(leaves []string) (any, error) {
	all, err := store(leaves)
	if err != nil {
		return nil, err
	}
	roots := []string{}
	proofs := []claim{}
	for size := int64(0); size <= int64(len(leaves)); size++ {
		root, err := tlog.TreeHash(size, all)
		if err != nil {
			return nil, err
		}
		roots = append(roots, hex.EncodeToString(root[:]))
		for index := int64(0); index < size; index++ {
			path, err := tlog.ProveRecord(size, index, all)
			if err != nil {
				return nil, err
			}
			proofs = append(proofs, claim{
				Kind: "inclusion", Index: index, Leaf: leaves[index], Size: size, Root: roots[size], Hashes: texts(path),
			})
		}
		for old := int64(1); old <= size; old++ {
			path, err := tlog.ProveTree(size, old, all)
			if err != nil {
				return nil, err
			}
			proofs = append(proofs, claim{
				Kind: "consistency", Old: old, OldRoot: roots[old], Size: size, Root: roots[size], Hashes: texts(path),
			})
		}
	}
	return map[string]any{"roots": roots, "proofs": proofs}, nil
}

func check(claims []claim) []bool {
	verdicts := make([]bool, len(claims))
	for i, one := range claims {
		verdicts[i] = holds(one) == nil
	}
	return verdicts
}

func holds(one claim) error {
	root, err := hash(one.Root)
	if err != nil {
		return err
	}
	path := []tlog.Hash{}
	for _, text := range one.Hashes {
		node, err := hash(text)
		if err != nil {
			return err
		}
		path = append(path, node)
	}
	if one.Kind == "inclusion" {
		leaf, err := hash(one.Leaf)
		if err != nil {
			return err
		}
		return tlog.CheckRecord(path, one.Size, root, one.Index, leaf)
	}
	old, err := hash(one.OldRoot)
	if err != nil {
		return err
	}
	return tlog.CheckTree(path, one.Size, root, one.Old, old)
}

// tiles maps each tile's path, with tlog's leading "tile/8/" as C2SP writes it ("tile/"), to its bytes in hex.
func tiles(leaves []string) (any, error) {
	all, err := store(leaves)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, tile := range tlog.NewTiles(8, 0, int64(len(leaves))) {
		data, err := tlog.ReadTileData(tile, all)
		if err != nil {
			return nil, err
		}
		found["tile/"+strings.TrimPrefix(tile.Path(), "tile/8/")] = hex.EncodeToString(data)
	}
	return found, nil
}

// treeHeadVerifier is what docs/decisions/0008 describes, written from that text and not from the Python.
type treeHeadVerifier struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (v treeHeadVerifier) Name() string    { return v.name }
func (v treeHeadVerifier) KeyHash() uint32 { return v.hash }

func (v treeHeadVerifier) Verify(msg, sig []byte) bool {
	lines := strings.Split(string(msg), "\n")
	if len(lines) != 4 || lines[3] != "" || lines[0] != v.name || len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	parts := strings.Split(lines[0], "/")
	if len(parts) != 4 {
		return false
	}
	enclave, errEnclave := hex.DecodeString(parts[2])
	boot, errBoot := hex.DecodeString(parts[3])
	size, errSize := strconv.ParseUint(lines[1], 10, 64)
	root, errRoot := base64.StdEncoding.DecodeString(lines[2])
	if errors.Join(errEnclave, errBoot, errSize, errRoot) != nil || len(enclave) != 32 || len(boot) != 16 || len(root) != 32 {
		return false
	}
	signed := []byte{3}
	signed = binary.LittleEndian.AppendUint64(signed, binary.BigEndian.Uint64(sig[:8]))
	signed = append(signed, enclave...)
	signed = append(append(signed, 16), boot...)
	signed = binary.LittleEndian.AppendUint64(signed, size)
	signed = append(append(signed, 32), root...)
	return ed25519.Verify(v.key, signed, sig[8:])
}

func open(text, key string) (any, error) {
	public, err := hex.DecodeString(key)
	if err != nil {
		return nil, err
	}
	name, _, _ := strings.Cut(text, "\n")
	verifier := treeHeadVerifier{name, keyHash(name, public), public}
	opened, err := note.Open([]byte(text), note.VerifierList(verifier))
	if err != nil {
		return map[string]any{"error": err.Error()}, nil
	}
	lines := strings.Split(opened.Text, "\n")
	return map[string]any{
		"origin": lines[0], "size": lines[1], "root": lines[2],
		"verified": len(opened.Sigs), "unverified": len(opened.UnverifiedSigs),
	}, nil
}

// witness adds an ordinary Ed25519 signature of a made-up witness below the log's own.
func witness(text, key string) (any, error) {
	public, err := hex.DecodeString(key)
	if err != nil {
		return nil, err
	}
	name, _, _ := strings.Cut(text, "\n")
	opened, err := note.Open([]byte(text), note.VerifierList(treeHeadVerifier{name, keyHash(name, public), public}))
	if err != nil {
		return nil, err
	}
	secret, verifierKey, err := note.GenerateKey(zeros{}, "witness.example/w")
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		return nil, err
	}
	signed, err := note.Sign(opened, signer)
	if err != nil {
		return nil, err
	}
	verifier, err := note.NewVerifier(verifierKey)
	if err != nil {
		return nil, err
	}
	if _, err := note.Open(signed, note.VerifierList(verifier)); err != nil {
		return nil, err
	}
	return map[string]string{"note": string(signed)}, nil
}

// zeros is no randomness at all, so that tests are the same every time.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
