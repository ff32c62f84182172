package kube

import (
	"context"

	"k8s.io/kubernetes/cmd/kubelet/app"
)

// RunKubelet runs the kubelet with its ordinary arguments until the process is
// told to stop; upstream's command installs the signal handler.
func RunKubelet(ctx context.Context, args []string) error {
	cmd := app.NewKubeletCommand(ctx)
	cmd.SetArgs(args)
	return cmd.ExecuteContext(ctx)
}
