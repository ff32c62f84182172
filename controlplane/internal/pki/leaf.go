package pki

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"daas/controlplane/internal/files"
	"daas/controlplane/internal/layout"
)

const (
	leafLife = 365 * 24 * time.Hour
	// renewBefore is K3s's: a server restarted once a quarter never serves an
	// expired certificate.
	renewBefore = 90 * 24 * time.Hour
)

// Leaf is what a certificate has to say.
type Leaf struct {
	Pair          layout.Pair
	CommonName    string
	Organizations []string
	Names         []string // DNS names and IP addresses
	Server        bool
	Client        bool
}

// Ensure keeps the leaf of want if it still fits, and issues it anew if not.
// The returned reason is empty when it was kept.
func (a *Authority) Ensure(want Leaf, now time.Time) (reason string, err error) {
	reason = a.unfit(want, now)
	if reason == "" {
		return "", nil
	}
	return reason, a.issue(want, now)
}

// unfit says why the leaf on disk cannot be used any longer.
func (a *Authority) unfit(want Leaf, now time.Time) string {
	if !files.Exists(want.Pair.Cert) || !files.Exists(want.Pair.Key) {
		return "missing"
	}
	cert, err := readCert(want.Pair.Cert)
	if err != nil {
		return "unreadable certificate"
	}
	key, err := ReadKey(want.Pair.Key)
	if err != nil || !matches(cert, key) {
		return "key does not match"
	}
	if cert.CheckSignatureFrom(a.Cert) != nil {
		return "CA changed"
	}
	if now.Before(cert.NotBefore) {
		return "not valid yet"
	}
	if cert.NotAfter.Sub(now) < renewBefore {
		return "expires within 90 days"
	}
	dns, ips := split(want.Names)
	if !sameSet(cert.DNSNames, dns) || !sameSet(texts(cert.IPAddresses), texts(ips)) {
		return "names changed"
	}
	if cert.Subject.CommonName != want.CommonName || !sameSet(cert.Subject.Organization, want.Organizations) {
		return "subject changed"
	}
	if !sameSet(cert.ExtKeyUsage, want.usages()) {
		return "usage changed"
	}
	return ""
}

func (a *Authority) issue(want Leaf, now time.Time) error {
	key, err := newKey()
	if err != nil {
		return err
	}
	serial, err := newSerial()
	if err != nil {
		return err
	}
	notAfter := now.Add(leafLife)
	if notAfter.After(a.Cert.NotAfter) {
		notAfter = a.Cert.NotAfter
	}
	dns, ips := split(want.Names)
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: want.CommonName, Organization: want.Organizations},
		NotBefore:             now.Add(-backdate),
		NotAfter:              notAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           want.usages(),
		BasicConstraintsValid: true,
		DNSNames:              dns,
		IPAddresses:           ips,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.Cert, key.Public(), a.key)
	if err != nil {
		return fmt.Errorf("cannot issue %s: %w", want.Pair.Name, err)
	}
	return errors.Join(writeKey(want.Pair.Key, key), writeCert(want.Pair.Cert, der))
}

func (l Leaf) usages() []x509.ExtKeyUsage {
	var usages []x509.ExtKeyUsage
	if l.Server {
		usages = append(usages, x509.ExtKeyUsageServerAuth)
	}
	if l.Client {
		usages = append(usages, x509.ExtKeyUsageClientAuth)
	}
	return usages
}

func split(names []string) (dns []string, ips []net.IP) {
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			if !slices.ContainsFunc(ips, ip.Equal) {
				ips = append(ips, ip)
			}
		} else if name != "" && !slices.Contains(dns, name) {
			dns = append(dns, name)
		}
	}
	return dns, ips
}

func texts(ips []net.IP) []string {
	out := make([]string, len(ips))
	for i, ip := range ips {
		out[i] = ip.String()
	}
	return out
}

func sameSet[T ~string | ~int](a, b []T) bool {
	x, y := slices.Clone(a), slices.Clone(b)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(slices.Compact(x), slices.Compact(y))
}
