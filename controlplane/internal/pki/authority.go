// Package pki keeps a server's certificates.
//
// A CA that is found is used and never overwritten: in an enclave it was put
// there by the keeper of the cluster's keys. Half a CA is refused, because
// making the other half would quietly start another cluster. Leaf certificates
// are the server's own and are issued anew whenever they no longer fit.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"time"

	"daas/controlplane/internal/files"
	"daas/controlplane/internal/layout"
)

const (
	// caLife is K3s's: a cluster outlives its servers.
	caLife = 10 * 365 * 24 * time.Hour
	// backdate lets a worker whose clock is slow accept a new certificate.
	backdate = time.Hour
	// serialBits is what the CA/Browser rules ask for, doubled.
	serialBits = 128
)

// Authority is a CA that can sign.
type Authority struct {
	Pair layout.Pair
	Cert *x509.Certificate
	key  crypto.Signer
}

// LoadOrMake returns the CA of pair, making it when neither file exists.
func LoadOrMake(pair layout.Pair, commonName string, now time.Time) (*Authority, error) {
	hasCert, hasKey := files.Exists(pair.Cert), files.Exists(pair.Key)
	switch {
	case hasCert && hasKey:
		return load(pair, now)
	case hasCert:
		return nil, fmt.Errorf("%s: found %s without its private key %s; put the key there, or remove the certificate to have a new CA made", pair.Name, pair.Cert, pair.Key)
	case hasKey:
		return nil, fmt.Errorf("%s: found the private key %s without its certificate %s; put the certificate there, or remove the key to have a new CA made", pair.Name, pair.Key, pair.Cert)
	default:
		return makeCA(pair, commonName, now)
	}
}

func load(pair layout.Pair, now time.Time) (*Authority, error) {
	cert, err := readCert(pair.Cert)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", pair.Name, err)
	}
	key, err := ReadKey(pair.Key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", pair.Name, err)
	}
	if !matches(cert, key) {
		return nil, fmt.Errorf("%s: %s and %s are not a pair; restore the key that belongs to this certificate", pair.Name, pair.Cert, pair.Key)
	}
	if !cert.IsCA || !cert.BasicConstraintsValid {
		return nil, fmt.Errorf("%s: %s is not a CA certificate (basicConstraints CA:TRUE is missing)", pair.Name, pair.Cert)
	}
	if now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		return nil, fmt.Errorf("%s: %s is valid from %s to %s and now is %s; set the clock, or replace the CA", pair.Name, pair.Cert,
			cert.NotBefore.UTC().Format(time.RFC3339), cert.NotAfter.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return &Authority{Pair: pair, Cert: cert, key: key}, nil
}

func makeCA(pair layout.Pair, commonName string, now time.Time) (*Authority, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		// The time in the name tells two CAs of one purpose apart in errors.
		Subject:               pkix.Name{CommonName: fmt.Sprintf("%s@%d", commonName, now.Unix())},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(caLife),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", pair.Name, err)
	}
	// The key first: a certificate without a key stops the next start by name,
	// and a key without a certificate does so too, but nothing trusts it yet.
	if err := errors.Join(writeKey(pair.Key, key), writeCert(pair.Cert, der)); err != nil {
		return nil, err
	}
	return load(pair, now)
}

// EnsureServiceKey makes the key that signs service-account tokens if it is
// missing, checks it if it is there, and writes its public half: the API server
// takes that out of some PEM forms of a private key and not out of others.
func EnsureServiceKey(private, public string) error {
	if !files.Exists(private) {
		key, err := newKey()
		if err != nil {
			return err
		}
		if err := writeKey(private, key); err != nil {
			return err
		}
	}
	key, err := ReadKey(private)
	if err != nil {
		return fmt.Errorf("service-account key: %w; restore it: every token of the cluster was signed by it", err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("service-account key %s: %w", private, err)
	}
	return files.Write(public, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), files.Private)
}

func newKey() (crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("cannot make an ECDSA key: %w", err)
	}
	return key, nil
}

func newSerial() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits-1))
	if err != nil {
		return nil, fmt.Errorf("cannot make a serial number: %w", err)
	}
	return serial, nil
}

// readFile keeps the path in the message, once.
func readFile(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read: %w", err)
	}
	return data, nil
}
