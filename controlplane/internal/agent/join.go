package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"daas/controlplane/internal/files"
	"daas/controlplane/internal/kubeconfig"
	"daas/controlplane/internal/notice"
	"daas/controlplane/internal/server"
	"daas/controlplane/internal/token"
)

const (
	// maxCA bounds what an unknown server can make a node read.
	maxCA          = 1 << 20
	requestTimeout = 10 * time.Second
	// joinLimit is how long a worker waits for a server that still boots; its
	// supervisor starts it again afterwards.
	joinLimit = 5 * time.Minute
	joinPause = 2 * time.Second
	// tokenLimit is how long a refused token is tried again: a server that has
	// just started still has to leave it in the cluster.
	tokenLimit = 15 * time.Second
	tokenPath  = "/apis/certificates.k8s.io/v1/certificatesigningrequests?limit=1"
)

// MismatchError is a server whose CA is not the one the token names.
type MismatchError struct {
	Server, Expected, Actual string
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("%s serves the CA %s and the token names %s; the token is of another cluster, or somebody stands between: nothing was sent", e.Server, e.Actual, e.Expected)
}

// ErrTokenRefused is a token that the right server does not know.
var ErrTokenRefused = errors.New("the server does not accept the token; copy the line of its node-token file again")

// Join leaves CA, kubeconfig and kubelet configuration on disk. The token is
// sent only over TLS that ends at the checked CA.
func (c *Config) Join(ctx context.Context) error {
	ca, clientCA, err := c.fetch(ctx)
	if err != nil {
		return fmt.Errorf("daas-k3s: cannot join: %w", err)
	}
	if !files.Exists(c.Layout.Kubeconfig) {
		// The kubelet would ask with a wrong token for ever, and only its log
		// would say so.
		if err := c.tryToken(ctx, ca); err != nil {
			return fmt.Errorf("daas-k3s: cannot join: %w", err)
		}
	}
	settings, err := c.kubeletConfig()
	if err != nil {
		return err
	}
	l := c.Layout
	return errors.Join(
		files.Write(l.ServerCA, ca, files.Private),
		files.Write(l.ClientCA, clientCA, files.Private),
		files.Write(l.BootstrapKubeconfig, kubeconfig.Render(c.Server, ca, kubeconfig.User{Token: c.Token.Bootstrap.String()}), files.Private),
		files.Write(l.KubeletConfig, settings, files.Private),
		files.MakeDir(l.KubeletDropIns),
		files.MakeDir(l.PodLogs),
	)
}

func (c *Config) fetch(ctx context.Context) (ca, clientCA []byte, err error) {
	// A worker that restarts while the server is away goes on with what it
	// checked before.
	kept, keptErr := os.ReadFile(c.Layout.ServerCA)
	keptClient, clientErr := os.ReadFile(c.Layout.ClientCA)
	if keptErr == nil && clientErr == nil && token.HashCA(kept) == c.Token.CAHash {
		return kept, keptClient, nil
	}
	ctx, cancel := context.WithTimeout(ctx, joinLimit)
	defer cancel()
	for {
		if ca, clientCA, err = c.fetchOnce(ctx); err == nil {
			return ca, clientCA, nil
		}
		var mismatch *MismatchError
		if errors.As(err, &mismatch) {
			return nil, nil, err
		}
		notice.Printf("waiting for %s: %v", c.Server, err)
		select {
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("%w; check --server and that the server runs", err)
		case <-time.After(joinPause):
		}
	}
}

func (c *Config) fetchOnce(ctx context.Context) (ca, clientCA []byte, err error) {
	// 1. Fetch the CA without trust; no credentials go with it.
	// #nosec G402 -- the hash in the token is the check.
	ca, err = get(ctx, c.Server+server.PublicServerCA, "", &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})
	if err != nil {
		return nil, nil, err
	}
	// 2. Compare its hash with the token's.
	if actual := token.HashCA(ca); actual != c.Token.CAHash {
		return nil, nil, &MismatchError{Server: c.Server, Expected: c.Token.CAHash, Actual: actual}
	}
	// 3. Everything after goes over TLS that this CA vouches for.
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, nil, fmt.Errorf("%s%s holds no certificate", c.Server, server.PublicServerCA)
	}
	clientCA, err = get(ctx, c.Server+server.PublicClientCA, "", &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})
	return ca, clientCA, err
}

// tryToken fails only on a plain no: whatever else stands in the way (a door
// that lets no lists through, a server that restarts) is the kubelet's to wait for.
func (c *Config) tryToken(ctx context.Context, ca []byte) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	ctx, cancel := context.WithTimeout(ctx, tokenLimit)
	defer cancel()
	for {
		_, err := get(ctx, c.Server+tokenPath, c.Token.Bootstrap.String(), &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})
		var status *statusError
		if !errors.As(err, &status) || status.code != http.StatusUnauthorized {
			return nil
		}
		select {
		case <-ctx.Done():
			return ErrTokenRefused
		case <-time.After(joinPause):
		}
	}
}

type statusError struct {
	url  string
	code int
}

func (e *statusError) Error() string { return fmt.Sprintf("%s: HTTP %d", e.url, e.code) }

func get(ctx context.Context, url, bearer string, config *tls.Config) ([]byte, error) {
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	client := &http.Client{Timeout: requestTimeout, Transport: transport,
		// A redirect would lead away from the server that the user named.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, &statusError{url: url, code: answer.StatusCode}
	}
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxCA+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", url, err)
	}
	if len(data) > maxCA {
		return nil, fmt.Errorf("%s: more than %d bytes", url, maxCA)
	}
	return data, nil
}
