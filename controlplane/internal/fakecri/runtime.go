// Package fakecri is a container runtime for tests: it runs nothing and lies
// about it, but streams real bytes, so that a real kubelet, its API server and
// everything between them can be tested without containers.
package fakecri

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"google.golang.org/grpc"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/cri-client/pkg/fake"
	"k8s.io/cri-streaming/pkg/streaming"
	utilexec "k8s.io/utils/exec"
)

// Runtime adds to upstream's fake what a kubelet needs beyond bookkeeping: log
// files, streams, exits.
type Runtime struct {
	*fake.RemoteRuntime
	streams streaming.Server

	mu         sync.Mutex
	containers map[string]*container
}

// New makes a runtime whose streaming server listens on a free loopback port.
func New(root string) (*Runtime, error) {
	r := &Runtime{RemoteRuntime: fake.NewFakeRemoteRuntime(), containers: map[string]*container{}}
	config := streaming.DefaultConfig
	config.Addr = "127.0.0.1:0"
	server, err := streaming.NewServer(config, &streams{})
	if err != nil {
		return nil, err
	}
	r.streams = server
	r.RuntimeService.FakeStatus = &cri.RuntimeStatus{Conditions: []*cri.RuntimeCondition{
		{Type: cri.RuntimeReady, Status: true},
		{Type: cri.NetworkReady, Status: true},
	}}
	r.ImageService.SetFakeImageSize(1 << 20)
	// The kubelet asks how full the image file system is before it takes pods.
	r.ImageService.SetFakeFilesystemUsage([]*cri.FilesystemUsage{{
		Timestamp:  time.Now().UnixNano(),
		FsId:       &cri.FilesystemIdentifier{Mountpoint: root},
		UsedBytes:  &cri.UInt64Value{Value: 1 << 20},
		InodesUsed: &cri.UInt64Value{Value: 100},
	}})
	return r, nil
}

// Serve answers on a Unix socket until ctx ends.
func (r *Runtime) Serve(ctx context.Context, socket string) error {
	if err := os.Remove(socket); err != nil && !os.IsNotExist(err) {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	cri.RegisterRuntimeServiceServer(server, r)
	cri.RegisterImageServiceServer(server, r)
	failed := make(chan error, 2)
	go func() { failed <- r.streams.Start(true) }()
	go func() { failed <- server.Serve(listener) }()
	select {
	case <-ctx.Done():
		server.Stop()
		_ = r.streams.Stop()
		return nil
	case err := <-failed:
		return fmt.Errorf("fakecri: %w", err)
	}
}

// CreateContainer remembers where the container's log goes and what it is told
// to do.
func (r *Runtime) CreateContainer(ctx context.Context, req *cri.CreateContainerRequest) (*cri.CreateContainerResponse, error) {
	answer, err := r.RemoteRuntime.CreateContainer(ctx, req)
	if err != nil {
		return nil, err
	}
	config := req.GetConfig()
	c := &container{
		name:    config.GetMetadata().GetName(),
		command: append(append([]string{}, config.GetCommand()...), config.GetArgs()...),
		stop:    make(chan struct{}),
	}
	if directory := req.GetSandboxConfig().GetLogDirectory(); directory != "" && config.GetLogPath() != "" {
		c.logPath = filepath.Join(directory, config.GetLogPath())
	}
	r.mu.Lock()
	r.containers[answer.ContainerId] = c
	r.mu.Unlock()
	return answer, nil
}

// StartContainer begins the log, and the exit if the command is one.
func (r *Runtime) StartContainer(ctx context.Context, req *cri.StartContainerRequest) (*cri.StartContainerResponse, error) {
	answer, err := r.RemoteRuntime.StartContainer(ctx, req)
	if err != nil {
		return nil, err
	}
	if c := r.get(req.ContainerId); c != nil {
		if err := c.openLog(); err != nil {
			return nil, err
		}
		go c.live(func(code int32) { r.exit(req.ContainerId, code) })
	}
	return answer, nil
}

// StopContainer ends the log.
func (r *Runtime) StopContainer(ctx context.Context, req *cri.StopContainerRequest) (*cri.StopContainerResponse, error) {
	if c := r.get(req.ContainerId); c != nil {
		c.close()
	}
	return r.RemoteRuntime.StopContainer(ctx, req)
}

// RemoveContainer forgets the container.
func (r *Runtime) RemoveContainer(ctx context.Context, req *cri.RemoveContainerRequest) (*cri.RemoveContainerResponse, error) {
	if c := r.get(req.ContainerId); c != nil {
		c.close()
	}
	r.mu.Lock()
	delete(r.containers, req.ContainerId)
	r.mu.Unlock()
	return r.RemoteRuntime.RemoveContainer(ctx, req)
}

// ContainerStatus names the log file, without which `kubectl logs` is empty.
func (r *Runtime) ContainerStatus(ctx context.Context, req *cri.ContainerStatusRequest) (*cri.ContainerStatusResponse, error) {
	answer, err := r.RemoteRuntime.ContainerStatus(ctx, req)
	if err != nil {
		return nil, err
	}
	if c := r.get(req.ContainerId); c != nil {
		answer.Status.LogPath = c.logPath
	}
	return answer, nil
}

// ReopenContainerLog follows the kubelet's log rotation.
func (r *Runtime) ReopenContainerLog(_ context.Context, req *cri.ReopenContainerLogRequest) (*cri.ReopenContainerLogResponse, error) {
	if c := r.get(req.ContainerId); c != nil {
		if err := c.openLog(); err != nil {
			return nil, err
		}
	}
	return &cri.ReopenContainerLogResponse{}, nil
}

// ExecSync is what probes and hooks use.
func (r *Runtime) ExecSync(ctx context.Context, req *cri.ExecSyncRequest) (*cri.ExecSyncResponse, error) {
	var stdout, stderr bytes.Buffer
	err := execute(ctx, req.Cmd, nil, &stdout, &stderr, nil)
	answer := &cri.ExecSyncResponse{Stdout: stdout.Bytes(), Stderr: stderr.Bytes()}
	if exit, ok := err.(utilexec.ExitError); ok {
		answer.ExitCode = int32(exit.ExitStatus())
	} else if err != nil && err != io.EOF {
		return nil, err
	}
	return answer, nil
}

// Exec hands out the address of a stream.
func (r *Runtime) Exec(_ context.Context, req *cri.ExecRequest) (*cri.ExecResponse, error) {
	return r.streams.GetExec(req)
}

// Attach hands out the address of a stream.
func (r *Runtime) Attach(_ context.Context, req *cri.AttachRequest) (*cri.AttachResponse, error) {
	return r.streams.GetAttach(req)
}

// PortForward hands out the address of a stream.
func (r *Runtime) PortForward(_ context.Context, req *cri.PortForwardRequest) (*cri.PortForwardResponse, error) {
	return r.streams.GetPortForward(req)
}

func (r *Runtime) get(id string) *container {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.containers[id]
}

func (r *Runtime) exit(id string, code int32) {
	s := r.RuntimeService
	s.Lock()
	defer s.Unlock()
	if c, ok := s.Containers[id]; ok && c.State == cri.ContainerState_CONTAINER_RUNNING {
		c.State = cri.ContainerState_CONTAINER_EXITED
		c.FinishedAt = time.Now().UnixNano()
		c.ExitCode = code
		c.Reason = "Completed"
		if code != 0 {
			c.Reason = "Error"
		}
	}
}
