// Package memory gives back what a start took: an idle control plane should
// hold its caches and the code it runs, not the code it started with.
package memory

import (
	"bufio"
	"context"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	settleAfter = 10 * time.Second
	settleAgain = time.Minute
)

// IdleGC is the heap growth between collections, in percent, of a process that
// holds mostly caches: the memory it runs in is dearer than its time.
const IdleGC = 50

// Settle collects often from now on and twice, after 10 and another 60 seconds,
// gives back free heap and the pages of the program itself. It does nothing
// when GOGC is in the environment: then the user has decided.
func Settle(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(IdleGC)
	for _, pause := range []time.Duration{settleAfter, settleAgain} {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
			debug.FreeOSMemory()
			dropProgramPages()
		}
	}
}

// dropProgramPages unmaps the resident pages of the read-only parts of the
// executable. What still runs faults back in from the page cache; what only a
// start needs, tens of MiB of this binary, does not. Failure costs nothing but
// memory, so that it is not reported.
func dropProgramPages() {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer maps.Close()
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		if low, high, ok := readOnlyPart(lines.Text(), program); ok {
			_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, low, high-low, syscall.MADV_DONTNEED)
		}
	}
}

// readOnlyPart reads a line of proc_pid_maps(5): "low-high perms offset dev
// inode path". Only private mappings of the program that were never writable
// may be dropped: a written page would lose what was written.
func readOnlyPart(line, program string) (low, high uintptr, ok bool) {
	fields := strings.SplitN(line, " ", 6)
	if len(fields) < 6 || strings.TrimSpace(fields[5]) != program {
		return 0, 0, false
	}
	if perms := fields[1]; perms != "r-xp" && perms != "r--p" {
		return 0, 0, false
	}
	from, to, found := strings.Cut(fields[0], "-")
	first, err := strconv.ParseUint(from, 16, 64)
	last, err2 := strconv.ParseUint(to, 16, 64)
	if !found || err != nil || err2 != nil || first >= last {
		return 0, 0, false
	}
	return uintptr(first), uintptr(last), true
}
