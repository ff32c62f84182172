package kube

import (
	"os"

	// Exec and OIDC credential plugins of a user's kubeconfig register here.
	_ "k8s.io/client-go/plugin/pkg/client/auth"
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
)

// RunKubectl runs kubectl; args[0] is the name it goes by.
func RunKubectl(args []string) {
	// kubectl finds plugins and its verbosity in os.Args, not in what it is given.
	os.Args = args
	_, _ = logs.GlogSetter(cmd.GetLogVerbosity(os.Args))
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err)
	}
}
