package seed

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"daas/controlplane/internal/notice"
)

const (
	requests      = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
	servingSigner = "kubernetes.io/kubelet-serving"
	nodePrefix    = "system:node:"
	// approvePause is how long a new node's logs and exec wait at most.
	approvePause = 2 * time.Second
)

type certificateRequest struct {
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		Request    []byte   `json:"request"`
		SignerName string   `json:"signerName"`
		Username   string   `json:"username"`
		Groups     []string `json:"groups"`
		Usages     []string `json:"usages"`
	} `json:"spec"`
	Status struct {
		Conditions []struct {
			Type string `json:"type"`
		} `json:"conditions"`
	} `json:"status"`
}

type node struct {
	Status struct {
		Addresses []struct {
			Type    string `json:"type"`
			Address string `json:"address"`
		} `json:"addresses"`
	} `json:"status"`
}

// ApproveServing approves the serving certificates of kubelets until ctx ends.
// Upstream has no approver for them; without one the API server could not
// check whom it hands an exec to. No node gets a reserved name.
func ApproveServing(ctx context.Context, c *Client, reserved []string) {
	refused := map[string]bool{}
	for {
		if err := approveAll(ctx, c, reserved, refused); err != nil && ctx.Err() == nil {
			notice.Printf("serving certificates of nodes: %v", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(approvePause):
		}
	}
}

func approveAll(ctx context.Context, c *Client, reserved []string, refused map[string]bool) error {
	var list struct {
		Items []certificateRequest `json:"items"`
	}
	if err := c.Do(ctx, http.MethodGet, requests+"?fieldSelector="+url.QueryEscape("spec.signerName="+servingSigner), nil, &list); err != nil {
		return err
	}
	for _, request := range list.Items {
		if len(request.Status.Conditions) > 0 || refused[request.Metadata.Name] {
			continue
		}
		var of node
		if err := c.Do(ctx, http.MethodGet, "/api/v1/nodes/"+url.PathEscape(strings.TrimPrefix(request.Spec.Username, nodePrefix)), nil, &of); err != nil {
			if code(err) == http.StatusNotFound {
				continue
			}
			return err
		}
		if err := servingFault(request, of, reserved); err != nil {
			refused[request.Metadata.Name] = true
			notice.Printf("certificate request %s is left unapproved: %v", request.Metadata.Name, err)
			continue
		}
		if err := approve(ctx, c, request.Metadata.Name); err != nil {
			return err
		}
	}
	return nil
}

// servingFault says why a request must not be approved: a node may only ask for
// its own name and the addresses that it is known by.
func servingFault(request certificateRequest, of node, reserved []string) error {
	name, isNode := strings.CutPrefix(request.Spec.Username, nodePrefix)
	if !isNode || name == "" || !slices.Contains(request.Spec.Groups, "system:nodes") {
		return fmt.Errorf("%q is not a node", request.Spec.Username)
	}
	if request.Spec.SignerName != servingSigner {
		return fmt.Errorf("signer %q, expected %q", request.Spec.SignerName, servingSigner)
	}
	for _, usage := range request.Spec.Usages {
		if usage != "digital signature" && usage != "key encipherment" && usage != "server auth" {
			return fmt.Errorf("usage %q is not one of a serving certificate", usage)
		}
	}
	if !slices.Contains(request.Spec.Usages, "server auth") {
		return fmt.Errorf("usages %v lack server auth", request.Spec.Usages)
	}
	block, _ := pem.Decode(request.Spec.Request)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return fmt.Errorf("no PEM CERTIFICATE REQUEST")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return err
	}
	if csr.Subject.CommonName != request.Spec.Username || !slices.Equal(csr.Subject.Organization, []string{"system:nodes"}) {
		return fmt.Errorf("subject %s, expected CN %s and O system:nodes", csr.Subject, request.Spec.Username)
	}
	if len(csr.EmailAddresses)+len(csr.URIs) > 0 || len(csr.DNSNames)+len(csr.IPAddresses) == 0 {
		return fmt.Errorf("names are not DNS names and addresses alone")
	}
	known := map[string]bool{}
	for _, address := range of.Status.Addresses {
		known[address.Address] = true
	}
	asked := csr.DNSNames
	for _, ip := range csr.IPAddresses {
		asked = append(asked, ip.String())
	}
	for _, address := range asked {
		if !known[address] {
			return fmt.Errorf("%q is not an address of node %s", address, name)
		}
		// A node reports its addresses itself, and nobody checks that they are
		// addresses: *.default.svc would be good for kubernetes.default.svc.
		if strings.Contains(address, "*") {
			return fmt.Errorf("%q is a pattern and not one node's name", address)
		}
		if slices.Contains(reserved, strings.TrimSuffix(strings.ToLower(address), ".")) {
			return fmt.Errorf("%q belongs to the API server", address)
		}
	}
	return nil
}

func approve(ctx context.Context, c *Client, name string) error {
	item := requests + "/" + url.PathEscape(name)
	// The whole object goes back, fields this package does not know included.
	var whole object
	if err := c.Do(ctx, http.MethodGet, item, nil, &whole); err != nil {
		return err
	}
	whole["status"] = object{"conditions": []object{{
		"type": "Approved", "status": "True", "reason": "NodeServing",
		"message": "names and addresses are those of the node",
	}}}
	return c.Do(ctx, http.MethodPut, item+"/approval", whole, nil)
}
