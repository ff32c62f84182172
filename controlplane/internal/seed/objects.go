package seed

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"daas/controlplane/internal/token"
)

type object = map[string]any

// Entry is one object and whether it has to be there. Without a name it is
// every object of the collection.
type Entry struct {
	Collection string
	Name       string
	Object     object
	Want       bool
}

const (
	bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
	secrets  = "/api/v1/namespaces/kube-system/secrets"
	// nodeTokenLabel finds the Secrets of earlier tokens; its value is the id.
	nodeTokenLabel = "daas-k3s-node-token"
	applyAttempts  = 20
	applyPause     = 500 * time.Millisecond
	nodeClientRole = "system:certificates.k8s.io:certificatesigningrequests:nodeclient"
	selfClientRole = "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient"
)

// Objects is what every cluster starts with. Without a bootstrap token what
// lets nodes in by one is taken away again, should an earlier start have left
// it there.
func Objects(kubeletClientUser string, bootstrap *token.Bootstrap) []Entry {
	join := bootstrap != nil
	entries := []Entry{
		binding("kube-apiserver-kubelet-admin", "system:kubelet-api-admin", "User", kubeletClientUser, true),
		binding("kubelet-bootstrap", "system:node-bootstrapper", "Group", "system:bootstrappers", true),
		binding("node-autoapprove-bootstrap", nodeClientRole, "Group", "system:bootstrappers", join),
		binding("node-autoapprove-certificate-rotation", selfClientRole, "Group", "system:nodes", join),
	}
	stale := nodeTokenLabel
	if join {
		entries = append(entries, tokenSecret(*bootstrap))
		stale += "," + nodeTokenLabel + "!=" + bootstrap.ID
	}
	return append(entries, Entry{Collection: secrets + "?labelSelector=" + url.QueryEscape(stale)})
}

// Apply creates, replaces or deletes the entries. A young API server may still
// be making kube-system and its own roles, so each entry has several tries.
func Apply(ctx context.Context, c *Client, entries []Entry) error {
	for _, entry := range entries {
		var err error
		for range applyAttempts {
			if err = applyOne(ctx, c, entry); err == nil {
				break
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(applyPause):
			}
		}
		if err != nil {
			return fmt.Errorf("cannot bring %s/%s into the wanted state: %w", entry.Collection, entry.Name, err)
		}
	}
	return nil
}

func applyOne(ctx context.Context, c *Client, e Entry) error {
	item := e.Collection
	if e.Name != "" {
		item += "/" + e.Name
	}
	if !e.Want {
		if err := c.Do(ctx, http.MethodDelete, item, nil, nil); code(err) != http.StatusNotFound {
			return err
		}
		return nil
	}
	err := c.Do(ctx, http.MethodPost, e.Collection, e.Object, nil)
	if code(err) == http.StatusConflict {
		return c.Do(ctx, http.MethodPut, item, e.Object, nil)
	}
	return err
}

func code(err error) int {
	var status *StatusError
	if errors.As(err, &status) {
		return status.Code
	}
	return 0
}

func binding(name, role, kind, subject string, want bool) Entry {
	return Entry{Collection: bindings, Name: name, Want: want, Object: object{
		"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
		"metadata": object{"name": name},
		"roleRef":  object{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
		"subjects": []object{{"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": subject}},
	}}
}

func tokenSecret(b token.Bootstrap) Entry {
	name := "bootstrap-token-" + b.ID
	encoded := object{}
	for key, value := range map[string]string{
		"token-id": b.ID, "token-secret": b.Secret,
		"usage-bootstrap-authentication": "true",
		"description":                    nodeTokenLabel + " of the file server/node-token",
	} {
		encoded[key] = base64.StdEncoding.EncodeToString([]byte(value))
	}
	return Entry{Collection: secrets, Name: name, Want: true, Object: object{
		"apiVersion": "v1", "kind": "Secret", "type": "bootstrap.kubernetes.io/token",
		"metadata": object{"name": name, "namespace": "kube-system", "labels": object{nodeTokenLabel: b.ID}},
		"data":     encoded,
	}}
}
