// Package kubeconfig writes kubeconfig files with everything inside, so that
// they can be copied to another machine.
package kubeconfig

import (
	"encoding/base64"
	"fmt"
	"os"
	"strings"
)

// User is how a kubeconfig's client proves who it is: by certificate or token.
type User struct {
	Cert, Key []byte
	Token     string
}

// Render writes the kubeconfig of one user at one server. The values are
// quoted as JSON strings, which YAML reads alike.
func Render(server string, ca []byte, user User) []byte {
	var b strings.Builder
	line := func(format string, values ...any) { fmt.Fprintf(&b, format+"\n", values...) }
	b64 := base64.StdEncoding.EncodeToString
	line("apiVersion: v1")
	line("kind: Config")
	line("clusters:")
	line("- name: default")
	line("  cluster:")
	line("    server: %q", server)
	line("    certificate-authority-data: %s", b64(ca))
	line("contexts:")
	line("- name: default")
	line("  context:")
	line("    cluster: default")
	line("    user: default")
	line("current-context: default")
	line("preferences: {}")
	line("users:")
	line("- name: default")
	line("  user:")
	if user.Token != "" {
		line("    token: %q", user.Token)
	} else {
		line("    client-certificate-data: %s", b64(user.Cert))
		line("    client-key-data: %s", b64(user.Key))
	}
	return []byte(b.String())
}

// FromFiles renders a kubeconfig from PEM files.
func FromFiles(server, caFile, certFile, keyFile string) ([]byte, error) {
	var pem [3][]byte
	for i, path := range []string{caFile, certFile, keyFile} {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("cannot write a kubeconfig: %w", err)
		}
		pem[i] = data
	}
	return Render(server, pem[0], User{Cert: pem[1], Key: pem[2]}), nil
}
