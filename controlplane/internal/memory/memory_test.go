package memory

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestOnlyReadOnlyPartsOfTheProgramAreDropped(t *testing.T) {
	for line, want := range map[string]bool{
		"00400000-05a00000 r-xp 00000000 fe:00 12 /bin/daas-k3s":                 true,
		"05a00000-09a00000 r--p 05600000 fe:00 12                 /bin/daas-k3s": true,
		"09a00000-0a000000 rw-p 09600000 fe:00 12 /bin/daas-k3s":                 false,
		"09a00000-0a000000 r-xs 09600000 fe:00 12 /bin/daas-k3s":                 false,
		"00400000-05a00000 r-xp 00000000 fe:00 12 /bin/other":                    false,
		"c000000000-c004000000 rw-p 00000000 00:00 0 ":                           false,
		"05a00000-00400000 r-xp 00000000 fe:00 12 /bin/daas-k3s":                 false,
		"zz-05a00000 r-xp 00000000 fe:00 12 /bin/daas-k3s":                       false,
		"": false,
	} {
		if _, _, ok := readOnlyPart(line, "/bin/daas-k3s"); ok != want {
			t.Errorf("%q: dropped %v, want %v", line, ok, want)
		}
	}
}

func TestPagesOfTheProgramAreGivenBackAndItGoesOn(t *testing.T) {
	before := resident(t)
	dropProgramPages()
	if after := resident(t); after >= before {
		t.Fatalf("pages of the program: %d kB before, %d kB after", before, after)
	}
}

// resident is RssFile of proc_pid_status(5) in kB.
func resident(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip(err)
	}
	for _, line := range strings.Split(string(status), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "RssFile:" {
			kilobytes, err := strconv.Atoi(fields[1])
			if err != nil {
				t.Fatal(err)
			}
			return kilobytes
		}
	}
	t.Skip("no RssFile in /proc/self/status")
	return 0
}
