// Package token reads and writes K3s's secure tokens.
//
//	token       = "K10" hash "::" credentials
//	hash        = 64 lower-case hex digits: SHA-256 of the CA's PEM file
//	credentials = user ":" password | id "." secret
//	id          = 6 of [a-z0-9];  secret = 16 of [a-z0-9]
//
// The hash lets a node that trusts nothing yet check the CA it is handed
// before it sends the credentials to anybody.
package token

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
)

const (
	prefix    = "K10"
	separator = "::"
	// ServerUser is the user name K3s puts into both of its token files.
	ServerUser = "server"
	// nodeUser is the user name older K3s servers put into node tokens.
	nodeUser = "node"
	// maxLength bounds what is parsed; a real token is about 110 characters.
	maxLength = 4096
	alphabet  = "abcdefghijklmnopqrstuvwxyz0123456789"
)

var (
	hashForm      = regexp.MustCompile(`^[0-9a-f]{64}$`)
	bootstrapForm = regexp.MustCompile(`^([a-z0-9]{6})\.([a-z0-9]{16})$`)
)

// Token is a parsed secure token.
type Token struct {
	CAHash    string
	Bootstrap Bootstrap
}

// Bootstrap is a Kubernetes bootstrap token.
type Bootstrap struct {
	ID     string
	Secret string
}

// String is the form that is sent as a bearer token.
func (b Bootstrap) String() string { return b.ID + "." + b.Secret }

// HashCA is the hash of a CA file, over its bytes as they are.
func HashCA(caPEM []byte) string {
	sum := sha256.Sum256(caPEM)
	return hex.EncodeToString(sum[:])
}

// Format writes the secure token of a password.
func Format(caPEM []byte, user, password string) string {
	return prefix + HashCA(caPEM) + separator + user + ":" + password
}

// Parse reads the token of a joining node. No message repeats the credentials.
func Parse(text string) (Token, error) {
	hash, credentials, err := cut(text)
	if err != nil {
		return Token{}, err
	}
	if found := bootstrapForm.FindStringSubmatch(credentials); found != nil {
		return Token{CAHash: hash, Bootstrap: Bootstrap{ID: found[1], Secret: found[2]}}, nil
	}
	user, password, found := strings.Cut(credentials, ":")
	if !found {
		return Token{}, fmt.Errorf("the token's credentials are neither <user>:<password> nor <6 characters>.<16 characters> of a-z and 0-9; copy the whole line of the server's node-token file")
	}
	if user != ServerUser && user != nodeUser {
		return Token{}, fmt.Errorf("the token's user is %q; only %q and %q can join a node", user, ServerUser, nodeUser)
	}
	if password == "" {
		return Token{}, fmt.Errorf("the token's password is empty; copy the whole line of the server's node-token file")
	}
	return Token{CAHash: hash, Bootstrap: Derive(hash, password)}, nil
}

// Password takes the password out of what a user gives a server: a bare
// password, or a whole secure token, whose hash must then be this CA's.
func Password(text string, caPEM []byte) (string, error) {
	text = strings.TrimSpace(text)
	if !strings.HasPrefix(text, prefix) || !strings.Contains(text, separator) {
		return text, checkPassword(text)
	}
	hash, credentials, err := cut(text)
	if err != nil {
		return "", err
	}
	if actual := HashCA(caPEM); hash != actual {
		return "", fmt.Errorf("the token names the CA %s and this server's CA is %s; give the server the password alone, or restore the CA", hash, actual)
	}
	_, password, found := strings.Cut(credentials, ":")
	if !found {
		return "", fmt.Errorf("a server needs a token of the form K10<hash>::server:<password>")
	}
	return password, checkPassword(password)
}

// Derive turns the password of a node token into the Kubernetes bootstrap
// token that server and node both compute, so that a K3s token works with
// nothing but the kubelet's own TLS bootstrap. The id comes from the CA alone:
// it shows in user names and certificate requests, and must not help anybody
// to guess the password.
func Derive(caHash, password string) Bootstrap {
	return Bootstrap{
		ID:     letters("daas-k3s node token id\x00"+caHash, 6),
		Secret: letters("daas-k3s node token secret\x00"+caHash+"\x00"+password, 16),
	}
}

// Random makes a password of 128 bits.
func Random() (string, error) {
	raw := make([]byte, 16)
	if _, err := rand.Read(raw); err != nil {
		return "", fmt.Errorf("cannot make a token: %w", err)
	}
	return hex.EncodeToString(raw), nil
}

func cut(text string) (hash, credentials string, err error) {
	text = strings.TrimSpace(text)
	if len(text) > maxLength {
		return "", "", fmt.Errorf("the token has %d characters, more than %d", len(text), maxLength)
	}
	if !strings.HasPrefix(text, prefix) {
		return "", "", fmt.Errorf("the token does not begin with %s, so the server's CA cannot be checked; use the whole line of the server's node-token file", prefix)
	}
	hash, credentials, found := strings.Cut(text[len(prefix):], separator)
	if !found || !hashForm.MatchString(hash) {
		return "", "", fmt.Errorf("the token has no CA hash of 64 lower-case hex digits between %s and %s; use the whole line of the server's node-token file", prefix, separator)
	}
	return hash, credentials, nil
}

func checkPassword(password string) error {
	if password == "" {
		return fmt.Errorf("the token is empty; leave it out to have one made")
	}
	for _, r := range password {
		if r <= ' ' || r == 0x7f {
			return fmt.Errorf("the token contains a space or a control character; use printable characters only")
		}
	}
	if len(password) > maxLength/2 {
		return fmt.Errorf("the token has %d characters, more than %d", len(password), maxLength/2)
	}
	return nil
}

// letters spreads a hash over the alphabet that bootstrap tokens allow. Bytes
// that would favour the first letters are skipped.
func letters(seed string, count int) string {
	const fair = 256 - 256%len(alphabet)
	out := make([]byte, 0, count)
	for block := byte(0); len(out) < count; block++ {
		sum := sha256.Sum256(append([]byte{block}, seed...))
		for _, b := range sum {
			if int(b) < fair && len(out) < count {
				out = append(out, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return string(out)
}
