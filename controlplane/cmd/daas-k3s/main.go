// Command daas-k3s is a Kubernetes control plane and node agent in one static
// binary, with the command line of K3s.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"daas/controlplane/internal/agent"
	"daas/controlplane/internal/etcd"
	"daas/controlplane/internal/flags"
	"daas/controlplane/internal/kube"
	"daas/controlplane/internal/machine"
	"daas/controlplane/internal/run"
	"daas/controlplane/internal/server"
	"daas/controlplane/internal/version"
)

const usage = `daas-k3s is a Kubernetes control plane and node agent with the command line of K3s.

Usage:
  daas-k3s server --disable-agent [flags]   API server, controller manager, scheduler (and etcd)
  daas-k3s agent [flags]                    the kubelet of a worker
  daas-k3s etcd [flags]                     etcd, with its own flags
  daas-k3s kubectl [command]                kubectl
  daas-k3s version [--json]

'daas-k3s server --help' and 'daas-k3s agent --help' list the flags.
`

func main() {
	if name := filepath.Base(os.Args[0]); name == "kubectl" || strings.HasPrefix(name, "kubectl-") {
		kube.RunKubectl(os.Args)
		return
	}
	if err := dispatch(os.Args[1:]); err != nil && !errors.Is(err, flags.ErrHelp) {
		text := err.Error()
		if !strings.HasPrefix(text, "daas-k3s: ") {
			text = "daas-k3s: " + text
		}
		fmt.Fprintln(os.Stderr, text)
		os.Exit(1)
	}
}

func dispatch(arguments []string) error {
	if len(arguments) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return errors.New("no command given")
	}
	command, rest := arguments[0], arguments[1:]
	switch command {
	case "server":
		return runServer(rest)
	case "agent":
		return runAgent(rest)
	case "etcd":
		etcd.Main(rest)
		return nil
	case "kubectl":
		kube.RunKubectl(append([]string{"kubectl"}, rest...))
		return nil
	case "version", "--version", "-v":
		return printVersion(os.Stdout, rest)
	case "help", "--help", "-h":
		fmt.Print(usage)
		return nil
	}
	return fmt.Errorf("unknown command %q; the commands are server, agent, etcd, kubectl and version", command)
}

func runServer(arguments []string) error {
	values, err := flags.Parse("server", flags.Server(), arguments, os.LookupEnv, os.Stdout)
	if err != nil {
		return err
	}
	config, err := server.NewConfig(values, machine.ForServer())
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	// After the first signal a second one ends the process at once.
	context.AfterFunc(ctx, stop)
	return run.Server(ctx, config)
}

func runAgent(arguments []string) error {
	values, err := flags.Parse("agent", flags.Agent(), arguments, os.LookupEnv, os.Stdout)
	if err != nil {
		return err
	}
	config, err := agent.NewConfig(values, machine.ForAgent())
	if err != nil {
		return err
	}
	return run.Agent(context.Background(), config)
}

func printVersion(w io.Writer, arguments []string) error {
	asJSON := false
	for _, argument := range arguments {
		if argument != "--json" {
			return fmt.Errorf("version: unknown flag %q; only --json", argument)
		}
		asJSON = true
	}
	return version.Print(w, asJSON)
}
