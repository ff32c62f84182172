package run

import (
	"context"

	"daas/controlplane/internal/agent"
	"daas/controlplane/internal/kube"
)

// Agent joins the cluster and runs the kubelet until the process is told to
// stop.
func Agent(ctx context.Context, c *agent.Config) error {
	if err := c.Join(ctx); err != nil {
		return err
	}
	return kube.RunKubelet(ctx, c.KubeletCommand())
}
