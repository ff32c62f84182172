package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

func hash(text string) (tlog.Hash, error) {
	var value tlog.Hash
	data, err := hex.DecodeString(text)
	if err != nil || len(data) != tlog.HashSize {
		return value, fmt.Errorf("%q is no hash", text)
	}
	copy(value[:], data)
	return value, nil
}

func texts(hashes []tlog.Hash) []string {
	out := []string{}
	for _, one := range hashes {
		out = append(out, hex.EncodeToString(one[:]))
	}
	return out
}

// keyHash is the key id of c2sp.org/signed-note for an unassigned signature type.
func keyHash(name string, public []byte) uint32 {
	sum := sha256.Sum256(append([]byte(name+"\n\xffdaas-tree-head-v1"), public...))
	return binary.BigEndian.Uint32(sum[:4])
}
