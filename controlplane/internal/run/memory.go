package run

import (
	"os"
	"runtime/debug"
)

// A start allocates a lot and keeps little: collecting rarely makes it a fifth
// shorter on a busy machine.
const startGC = 200

// quickStart lets the heap grow during the start, unless the user has decided.
func quickStart() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(startGC)
	}
}
