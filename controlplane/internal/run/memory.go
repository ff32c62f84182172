package run

import (
	"context"
	"os"
	"runtime/debug"
	"time"
)

// A start allocates a lot and keeps little: collecting rarely makes it a fifth
// shorter on a busy machine. An idle server holds mostly caches, and the memory
// it runs in is dear: then collecting often is the better bargain.
const (
	startGC     = 200
	idleGC      = 50
	settleAfter = 10 * time.Second
	settleAgain = time.Minute
)

// quickStart lets the heap grow during the start, unless the user has decided.
func quickStart() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(startGC)
	}
}

// settle goes back to collecting often as soon as the API server is up, and
// gives back what the start took once the controllers have filled their caches.
func settle(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(idleGC)
	for _, pause := range []time.Duration{settleAfter, settleAgain} {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
			debug.FreeOSMemory()
		}
	}
}
