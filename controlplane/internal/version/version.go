// Package version tells what is inside the binary, from what the linker and the
// module system recorded: nothing here can disagree with what runs.
package version

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

// Version of daas-k3s itself; build.sh sets it.
var Version = "v0.0.0-unknown"

// Info is what `daas-k3s version --json` prints.
type Info struct {
	DaasK3s    string `json:"daasK3s"`
	Kubernetes string `json:"kubernetes"`
	Etcd       string `json:"etcd"`
	Go         string `json:"go"`
	Platform   string `json:"platform"`
}

// Get reads the versions.
func Get() Info {
	info := Info{DaasK3s: Version, Kubernetes: "unknown", Etcd: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return info
	}
	for _, module := range build.Deps {
		switch module.Path {
		case "k8s.io/kubernetes":
			info.Kubernetes = module.Version
		case "go.etcd.io/etcd/server/v3":
			info.Etcd = module.Version
		}
	}
	return info
}

// Print writes the versions for people or for programs.
func Print(w io.Writer, asJSON bool) error {
	info := Get()
	if asJSON {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(info)
	}
	_, err := fmt.Fprintf(w, "daas-k3s %s\nkubernetes %s\netcd %s\ngo %s\nplatform %s\n", info.DaasK3s, info.Kubernetes, info.Etcd, info.Go, info.Platform)
	return err
}
