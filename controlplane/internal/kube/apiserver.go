package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/rest"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"
)

// shutdownTimeout replaces upstream's minute: open watches never end by
// themselves, and who holds one connects again anyway.
const shutdownTimeout = 1500 * time.Millisecond

// PublicFile is a file that everybody may read without credentials. A joining
// node needs the CA before it can trust anything, so this cannot sit behind
// the API server's own authentication.
type PublicFile struct {
	Path string // URL path
	File string // path on disk
}

// APIServer is a kube-apiserver that has been built and not yet started.
type APIServer struct {
	run func(context.Context) error
}

// NewAPIServer builds a kube-apiserver from its ordinary command-line
// arguments. It must be called before the other components: it fixes the
// feature gates and the logging of the whole process.
func NewAPIServer(ctx context.Context, args []string, public []PublicFile) (*APIServer, error) {
	handlers, err := publicHandlers(public)
	if err != nil {
		return nil, err
	}
	opts := options.NewServerRunOptions()
	if err := parse("kube-apiserver", opts.Flags(), args); err != nil {
		return nil, err
	}
	if err := opts.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return nil, fmt.Errorf("kube-apiserver feature gates: %w; correct --kube-apiserver-arg=feature-gates=...", err)
	}
	if err := logsapi.ValidateAndApply(opts.Logs, utilfeature.DefaultFeatureGate); err != nil {
		return nil, fmt.Errorf("kube-apiserver logging: %w", err)
	}
	// Components talk to their own server: its deprecation warnings would only
	// fill the log with what nobody here can change.
	rest.SetDefaultWarningHandler(rest.NoWarnings{})

	completed, err := opts.Complete(ctx)
	if err != nil {
		return nil, fmt.Errorf("kube-apiserver options: %w", err)
	}
	if errs := completed.Validate(); len(errs) != 0 {
		return nil, fmt.Errorf("kube-apiserver options: %w; correct the --kube-apiserver-arg values", utilerrors.NewAggregate(errs))
	}
	config, err := app.NewConfig(completed)
	if err != nil {
		return nil, fmt.Errorf("kube-apiserver configuration: %w", err)
	}
	completedConfig, err := config.Complete()
	if err != nil {
		return nil, fmt.Errorf("kube-apiserver configuration: %w", err)
	}
	chain, err := app.CreateServerChain(completedConfig)
	if err != nil {
		return nil, fmt.Errorf("kube-apiserver: %w", err)
	}
	chain.GenericAPIServer.ShutdownTimeout = shutdownTimeout
	inner := chain.GenericAPIServer.Handler.FullHandlerChain
	chain.GenericAPIServer.Handler.FullHandlerChain = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if handler, ok := handlers[r.URL.Path]; ok {
			handler(w, r)
			return
		}
		inner.ServeHTTP(w, r)
	})
	prepared, err := chain.PrepareRun()
	if err != nil {
		return nil, fmt.Errorf("kube-apiserver: %w", err)
	}
	return &APIServer{run: prepared.Run}, nil
}

// Run serves until ctx ends.
func (s *APIServer) Run(ctx context.Context) error {
	if err := s.run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("kube-apiserver: %w", err)
	}
	return nil
}

// publicHandlers reads the files once: what is served cannot change under a
// node that has just compared its hash.
func publicHandlers(public []PublicFile) (map[string]http.HandlerFunc, error) {
	handlers := make(map[string]http.HandlerFunc, len(public))
	for _, p := range public {
		body, err := os.ReadFile(p.File)
		if err != nil {
			return nil, fmt.Errorf("cannot read %s, which is served as %s: %w", p.File, p.Path, err)
		}
		handlers[p.Path] = func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet && r.Method != http.MethodHead {
				w.Header().Set("Allow", "GET, HEAD")
				http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
				return
			}
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.Header().Set("Cache-Control", "no-store")
			w.WriteHeader(http.StatusOK)
			if r.Method == http.MethodGet {
				_, _ = w.Write(body)
			}
		}
	}
	return handlers, nil
}
