// Package kube is the only package of daas-k3s that imports Kubernetes itself.
// Each component is built from its ordinary command-line arguments, so that
// --kube-apiserver-arg and its sisters mean exactly what upstream says.
package kube

import (
	"fmt"

	"github.com/spf13/pflag"
	cliflag "k8s.io/component-base/cli/flag"
)

// parse fills a component's options. Upstream's NewXCommand() would do it too,
// but each of those installs the process's signal handler, and the second one
// panics.
func parse(component string, sets cliflag.NamedFlagSets, args []string) error {
	fs := pflag.NewFlagSet(component, pflag.ContinueOnError)
	fs.SetNormalizeFunc(cliflag.WordSepNormalizeFunc)
	fs.Usage = func() {}
	for _, set := range sets.FlagSets {
		fs.AddFlagSet(set)
	}
	if err := fs.Parse(args); err != nil {
		return fmt.Errorf("%s arguments: %w; correct the --%s-arg=key=value given for it", component, err, component)
	}
	if rest := fs.Args(); len(rest) > 0 {
		return fmt.Errorf("%s arguments: %q is not a flag; write --%s-arg=key=value", component, rest[0], component)
	}
	return nil
}
