package memory

import "testing"

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

func TestAProgramGoesOnAfterItsPagesWereDropped(t *testing.T) {
	before := 0
	for range 3 {
		dropProgramPages()
		before++
	}
	if before != 3 {
		t.Fatal("lost count")
	}
}
