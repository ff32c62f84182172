package seed

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"daas/controlplane/internal/token"
)

func csr(t *testing.T, change func(*x509.CertificateRequest)) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.CertificateRequest{
		Subject:     pkix.Name{CommonName: "system:node:w1", Organization: []string{"system:nodes"}},
		DNSNames:    []string{"w1"},
		IPAddresses: []net.IP{net.ParseIP("10.0.0.5")},
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

func request(t *testing.T, change func(*x509.CertificateRequest)) certificateRequest {
	var r certificateRequest
	r.Spec.Request = csr(t, change)
	r.Spec.SignerName = servingSigner
	r.Spec.Username = "system:node:w1"
	r.Spec.Groups = []string{"system:nodes", "system:authenticated"}
	r.Spec.Usages = []string{"digital signature", "server auth"}
	return r
}

func known(t *testing.T) node {
	t.Helper()
	var n node
	text := `{"status":{"addresses":[{"type":"InternalIP","address":"10.0.0.5"},{"type":"Hostname","address":"w1"}]}}`
	if err := json.Unmarshal([]byte(text), &n); err != nil {
		t.Fatal(err)
	}
	return n
}

var reserved = []string{"kubernetes", "kubernetes.default.svc", "10.43.0.1"}

func TestANodeThatCallsItselfTheServerIsRefused(t *testing.T) {
	for address, want := range map[string]string{
		"kubernetes": "belongs to the API server", "10.43.0.1": "belongs to the API server",
		"Kubernetes.Default.SVC": "belongs to the API server", "kubernetes.default.svc.": "belongs to the API server",
		"*.default.svc": "is a pattern", "kubern*": "is a pattern", "*": "is a pattern",
	} {
		n := known(t)
		n.Status.Addresses[0].Address = address
		r := request(t, nil)
		r.Spec.Request = csr(t, func(c *x509.CertificateRequest) {
			c.DNSNames, c.IPAddresses = []string{address}, nil
			if ip := net.ParseIP(address); ip != nil {
				c.DNSNames, c.IPAddresses = nil, []net.IP{ip}
			}
		})
		if err := servingFault(r, n, reserved); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestANodeGetsAServingCertificateForItselfOnly(t *testing.T) {
	if err := servingFault(request(t, nil), known(t), reserved); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*certificateRequest){
		"is not a node":         func(r *certificateRequest) { r.Spec.Username = "system:serviceaccount:a:b" },
		"\"system:node:w1\" is": func(r *certificateRequest) { r.Spec.Groups = []string{"system:authenticated"} },
		"signer":                func(r *certificateRequest) { r.Spec.SignerName = "kubernetes.io/kube-apiserver-client" },
		"client auth":           func(r *certificateRequest) { r.Spec.Usages = append(r.Spec.Usages, "client auth") },
		"lack server auth":      func(r *certificateRequest) { r.Spec.Usages = []string{"digital signature"} },
		"no PEM":                func(r *certificateRequest) { r.Spec.Request = []byte("x") },
		"expected CN": func(r *certificateRequest) {
			r.Spec.Request = csr(t, func(c *x509.CertificateRequest) { c.Subject.CommonName = "system:node:w2" })
		},
		"O system:nodes": func(r *certificateRequest) {
			r.Spec.Request = csr(t, func(c *x509.CertificateRequest) { c.Subject.Organization = []string{"system:masters"} })
		},
		"\"kubernetes\" is not": func(r *certificateRequest) {
			r.Spec.Request = csr(t, func(c *x509.CertificateRequest) { c.DNSNames = []string{"w1", "kubernetes"} })
		},
		"\"10.43.0.1\" is not": func(r *certificateRequest) {
			r.Spec.Request = csr(t, func(c *x509.CertificateRequest) { c.IPAddresses = []net.IP{net.ParseIP("10.43.0.1")} })
		},
		"DNS names and addresses alone": func(r *certificateRequest) {
			r.Spec.Request = csr(t, func(c *x509.CertificateRequest) { c.DNSNames, c.IPAddresses = nil, nil })
		},
		"names and addresses": func(r *certificateRequest) {
			r.Spec.Request = csr(t, func(c *x509.CertificateRequest) { c.EmailAddresses = []string{"a@b"} })
		},
	} {
		r := request(t, nil)
		change(&r)
		if err := servingFault(r, known(t), reserved); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestObjectsAreCreatedReplacedAndTakenAway(t *testing.T) {
	var log []string
	exists := map[string]bool{bindings + "/kubelet-bootstrap": true}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var o struct{ Metadata struct{ Name string } }
		_ = json.Unmarshal(body, &o)
		log = append(log, r.Method+" "+r.URL.RequestURI())
		switch {
		case r.Method == http.MethodPost && exists[r.URL.Path+"/"+o.Metadata.Name]:
			w.WriteHeader(http.StatusConflict)
		case r.Method == http.MethodDelete && strings.Contains(r.URL.Path, "autoapprove"):
			w.WriteHeader(http.StatusNotFound)
		}
		w.Write([]byte("{}"))
	}))
	defer s.Close()
	client := &Client{base: s.URL, http: s.Client()}

	bootstrap := token.Derive("hash", "pw")
	if err := Apply(context.Background(), client, Objects("system:apiserver", &bootstrap)); err != nil {
		t.Fatal(err)
	}
	all := strings.Join(log, "\n")
	for _, want := range []string{"PUT " + bindings + "/kubelet-bootstrap", "POST " + secrets, "DELETE " + secrets + "?labelSelector=daas-k3s-node-token%2Cdaas-k3s-node-token%21%3D" + bootstrap.ID} {
		if !strings.Contains(all, want) {
			t.Errorf("%s is not in\n%s", want, all)
		}
	}
	log = nil
	if err := Apply(context.Background(), client, Objects("system:apiserver", nil)); err != nil {
		t.Fatal(err)
	}
	all = strings.Join(log, "\n")
	if strings.Contains(all, "POST "+secrets) || !strings.Contains(all, "DELETE "+bindings+"/node-autoapprove-bootstrap") || !strings.HasSuffix(all, "DELETE "+secrets+"?labelSelector=daas-k3s-node-token") {
		t.Errorf("without joining:\n%s", all)
	}
}
