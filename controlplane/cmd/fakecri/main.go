// Command fakecri is the container runtime of the tests; see internal/fakecri.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"daas/controlplane/internal/fakecri"
)

func main() {
	socket := flag.String("socket", "", "Unix socket to serve on")
	root := flag.String("root", "", "folder that stands for the image file system (default: the socket's)")
	flag.Parse()
	if *socket == "" || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "fakecri: give --socket=/path/to/cri.sock and nothing else but --root")
		os.Exit(2)
	}
	if *root == "" {
		*root = filepath.Dir(*socket)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	runtime, err := fakecri.New(*root)
	if err == nil {
		err = runtime.Serve(ctx, *socket)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
