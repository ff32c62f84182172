package kube

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/kubernetes/cmd/kube-controller-manager/app"
	"k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
)

// RunControllerManager runs the kube-controller-manager until ctx ends.
func RunControllerManager(ctx context.Context, args []string) error {
	opts, err := options.NewKubeControllerManagerOptions()
	if err != nil {
		return fmt.Errorf("kube-controller-manager options: %w", err)
	}
	sets := opts.Flags(app.KnownControllers(), app.ControllersDisabledByDefault(), app.ControllerAliases())
	if err := parse("kube-controller-manager", sets, args); err != nil {
		return err
	}
	opts.ParsedFlags = &sets
	config, err := opts.Config(ctx, app.KnownControllers(), app.ControllersDisabledByDefault(), app.ControllerAliases())
	if err != nil {
		return fmt.Errorf("kube-controller-manager options: %w; correct the --kube-controller-manager-arg values", err)
	}
	err = app.Run(ctx, config.Complete())
	if ctx.Err() != nil || errors.Is(err, context.Canceled) {
		return nil
	}
	if err == nil {
		err = errors.New("stopped by itself")
	}
	return fmt.Errorf("kube-controller-manager: %w", err)
}
