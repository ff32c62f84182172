// Package notice prints daas-k3s's own lines. Kubernetes takes the standard
// logger over once it runs, and puts its own headings before what comes there.
package notice

import (
	"log"
	"os"
)

var lines = log.New(os.Stderr, "daas-k3s: ", log.LstdFlags|log.LUTC|log.Lmsgprefix)

// Printf prints one line.
func Printf(format string, values ...any) { lines.Printf(format, values...) }
