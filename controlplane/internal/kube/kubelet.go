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
	// Its errors come back to main, which prints them once.
	cmd.SilenceErrors = true
	return cmd.ExecuteContext(ctx)
}
