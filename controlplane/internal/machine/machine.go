// Package machine asks the machine what the pure packages take as arguments.
package machine

import (
	"net"
	"os"
	"path/filepath"
	"strings"

	"daas/controlplane/internal/agent"
	"daas/controlplane/internal/server"
)

// ForServer describes this machine to a server.
func ForServer() server.Machine {
	return server.Machine{Hostname: hostname(), DefaultDir: defaultDir(), OutboundIP: outboundIP(), ReadFile: os.ReadFile}
}

// ForAgent describes this machine to an agent.
func ForAgent() agent.Machine {
	_, err := os.Stat("/sys/fs/cgroup/cgroup.controllers")
	return agent.Machine{Hostname: hostname(), DefaultDir: defaultDir(), CgroupV1: err != nil, ReadFile: os.ReadFile}
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return strings.ToLower(name)
}

// defaultDir is not K3s's own folder: the contents are not interchangeable.
func defaultDir() string {
	if os.Geteuid() == 0 {
		return "/var/lib/daas-k3s"
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".local", "state", "daas-k3s")
}

// outboundIP is the first address of this machine that others could reach.
func outboundIP() string {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return ""
	}
	for _, address := range addresses {
		if network, ok := address.(*net.IPNet); ok && network.IP.IsGlobalUnicast() && network.IP.To4() != nil {
			return network.IP.String()
		}
	}
	return ""
}
