package kube

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/kubernetes/cmd/kube-scheduler/app"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"
)

// RunScheduler runs the kube-scheduler until ctx ends.
func RunScheduler(ctx context.Context, args []string) error {
	opts := options.NewOptions()
	if err := parse("kube-scheduler", *opts.Flags, args); err != nil {
		return err
	}
	config, sched, err := app.Setup(ctx, opts)
	if err != nil {
		return fmt.Errorf("kube-scheduler options: %w; correct the --kube-scheduler-arg values", err)
	}
	err = app.Run(ctx, config, sched)
	// Without leader election upstream's Run always returns an error, at a
	// wanted stop too.
	if ctx.Err() != nil {
		return nil
	}
	if err == nil {
		err = errors.New("stopped by itself")
	}
	return fmt.Errorf("kube-scheduler: %w", err)
}
