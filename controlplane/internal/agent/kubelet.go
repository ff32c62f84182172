package agent

import (
	"encoding/json"
	"strings"

	"daas/controlplane/internal/args"
)

// kubeletConfig is the kubelet's configuration file. What a flag can say is
// said here too, so that --kubelet-arg, which comes after, wins.
func (c *Config) kubeletConfig() ([]byte, error) {
	type m = map[string]any
	settings := m{
		"apiVersion": "kubelet.config.k8s.io/v1beta1",
		"kind":       "KubeletConfiguration",
		"authentication": m{
			"anonymous": m{"enabled": false},
			"webhook":   m{"enabled": true, "cacheTTL": "10s"},
			"x509":      m{"clientCAFile": c.Layout.ClientCA},
		},
		"authorization":            m{"mode": "Webhook"},
		"cgroupDriver":             "cgroupfs",
		"clusterDNS":               []string{"10.43.0.10"},
		"clusterDomain":            "cluster.local",
		"containerRuntimeEndpoint": c.Runtime,
		// Logs, exec and port-forward; its profiles are nobody's business.
		"enableDebuggingHandlers": true,
		"enableDebugFlagsHandler": false,
		"enableProfilingHandler":  false,
		"failSwapOn":              false,
		// A door nobody here uses, and the reason why two kubelets on one
		// machine would collide.
		"healthzPort":        0,
		"readOnlyPort":       0,
		"podLogsDir":         c.Layout.PodLogs,
		"rotateCertificates": true,
		"serverTLSBootstrap": true,
		"tlsMinVersion":      "VersionTLS12",
	}
	if c.CgroupV1 {
		settings["failCgroupV1"] = false
	}
	data, err := json.MarshalIndent(settings, "", "  ")
	return append(data, '\n'), err
}

// KubeletCommand is the kubelet's command line.
func (c *Config) KubeletCommand() []string {
	l := c.Layout
	p := []args.Pair{
		{Key: "bootstrap-kubeconfig", Value: l.BootstrapKubeconfig},
		{Key: "cert-dir", Value: l.CertDir},
		{Key: "config", Value: l.KubeletConfig},
		{Key: "config-dir", Value: l.KubeletDropIns},
		{Key: "hostname-override", Value: c.NodeName},
		{Key: "kubeconfig", Value: l.Kubeconfig},
		{Key: "root-dir", Value: l.KubeletRoot},
	}
	if c.NodeIP != "" {
		p = append(p, args.Pair{Key: "node-ip", Value: c.NodeIP})
	}
	if len(c.Labels) > 0 {
		p = append(p, args.Pair{Key: "node-labels", Value: strings.Join(c.Labels, ",")})
	}
	if len(c.Taints) > 0 {
		p = append(p, args.Pair{Key: "register-with-taints", Value: strings.Join(c.Taints, ",")})
	}
	return args.Merge(p, c.Kubelet)
}
