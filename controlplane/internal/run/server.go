// Package run starts and stops the processes that daas-k3s is made of.
package run

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"daas/controlplane/internal/etcd"
	"daas/controlplane/internal/files"
	"daas/controlplane/internal/kube"
	"daas/controlplane/internal/memory"
	"daas/controlplane/internal/notice"
	"daas/controlplane/internal/seed"
	"daas/controlplane/internal/server"
)

// Each part of a stop is bounded, so that a stop as a whole stays within the
// few seconds a supervisor waits. What is cut off is only politeness: every
// answered write is already in etcd's log.
const (
	controllersStop = 2 * time.Second
	apiServerStop   = 3 * time.Second
	datastoreStop   = 3 * time.Second
	// readyLimit is ten times the slowest start that was measured.
	readyLimit = 120 * time.Second
)

// Server runs etcd if it is embedded, API server, controller manager and
// scheduler until ctx ends or one of them fails.
func Server(ctx context.Context, c *server.Config) error {
	started := time.Now()
	quickStart()
	release, err := files.Lock(c.Layout.Lock)
	if err != nil {
		return err
	}
	defer release()
	prepared, err := c.Prepare(started)
	if err != nil {
		return err
	}
	for _, issued := range prepared.Issued {
		notice.Printf("issued certificate %s", issued)
	}
	endpoint, stopEtcd, etcdErr, err := datastore(ctx, c)
	if err != nil {
		return err
	}
	defer stopEtcd()

	apiCtx, stopAPI := context.WithCancel(context.WithoutCancel(ctx))
	defer stopAPI()
	api, err := kube.NewAPIServer(apiCtx, c.APIServerCommand(endpoint), []kube.PublicFile{
		{Path: server.PublicServerCA, File: c.Layout.ServerCA.Cert},
		{Path: server.PublicClientCA, File: c.Layout.ClientCA.Cert},
	})
	if err != nil {
		// Upstream keeps the text of this error and not its type.
		if strings.Contains(err.Error(), context.DeadlineExceeded.Error()) && len(c.Datastore.Endpoints) > 0 {
			return fmt.Errorf("%w; check that the datastore %s runs and accepts the client certificate", err, strings.Join(c.Datastore.Endpoints, ","))
		}
		return err
	}
	apiDone := background(func() error { return api.Run(apiCtx) })

	workCtx, stopWork := context.WithCancel(ctx)
	defer stopWork()
	var work sync.WaitGroup
	failed := make(chan error, 3)
	work.Go(func() {
		if err := controllers(workCtx, c, prepared, started, &work, failed); err != nil {
			failed <- err
		}
	})

	var cause error
	select {
	case <-ctx.Done():
		notice.Printf("stopping")
	case cause = <-failed:
	case cause = <-etcdErr:
	case cause = <-apiDone:
		if cause == nil {
			cause = errors.New("kube-apiserver stopped by itself")
		}
	}
	// Clients before their server, the server before its store.
	stopWork()
	within(controllersStop, "controllers", work.Wait)
	stopAPI()
	within(apiServerStop, "API server", func() { <-apiDone })
	return cause
}

// controllers waits for the API server, leaves the objects a cluster starts
// with, and runs what needs both.
func controllers(ctx context.Context, c *server.Config, p *server.Prepared, started time.Time, work *sync.WaitGroup, failed chan<- error) error {
	l := c.Layout
	client, err := seed.NewClient(c.URL(), l.ServerCA.Cert, l.Admin.Cert, l.Admin.Key)
	if err != nil {
		return err
	}
	if err := client.WaitReady(ctx, readyLimit); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	notice.Printf("API server is ready at %s after %.1f s", c.URL(), time.Since(started).Seconds())
	work.Go(func() {
		if err := kube.RunScheduler(ctx, c.SchedulerCommand()); err != nil {
			failed <- err
		}
	})
	work.Go(func() {
		if err := kube.RunControllerManager(ctx, c.ControllerCommand()); err != nil {
			failed <- err
		}
	})
	work.Go(func() { memory.Settle(ctx) })
	if err := seed.Apply(ctx, client, seed.Objects(server.KubeletClientUser, p.Bootstrap)); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	if c.NodeJoin {
		seed.ApproveServing(ctx, client, append(c.ReservedNames(), c.GivenSANs...))
	}
	return nil
}

func datastore(ctx context.Context, c *server.Config) (endpoint string, stop func(), failed <-chan error, err error) {
	if len(c.Datastore.Endpoints) > 0 {
		return "", func() {}, nil, nil
	}
	l := c.Layout
	cfg, err := etcd.Configure(etcd.Files{
		DataDir: l.EtcdDir,
		CA:      l.EtcdServerCA.Cert, ServerCert: l.EtcdServer.Cert, ServerKey: l.EtcdServer.Key,
		PeerCA: l.EtcdPeerCA.Cert, PeerCert: l.EtcdPeer.Cert, PeerKey: l.EtcdPeer.Key,
	}, c.EtcdArgs)
	if err != nil {
		return "", nil, nil, fmt.Errorf("daas-k3s: %w", err)
	}
	member, err := etcd.Start(ctx, cfg)
	if err != nil {
		return "", nil, nil, fmt.Errorf("daas-k3s: %w", err)
	}
	return member.Endpoint(), func() { within(datastoreStop, "embedded etcd", member.Close) }, member.Err(), nil
}

func background(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f(); close(done) }()
	return done
}

func within(limit time.Duration, what string, f func()) {
	done := make(chan struct{})
	go func() { f(); close(done) }()
	select {
	case <-done:
	case <-time.After(limit):
		notice.Printf("%s did not stop within %s; going on without it", what, limit)
	}
}
