package files

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWriteReplacesWholeFilesAndLeavesNothingBehind(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	path := filepath.Join(dir, "f")
	for _, text := range []string{"long first text", "short"} {
		if err := Write(path, []byte(text), Private); err != nil {
			t.Fatal(err)
		}
		if data, err := os.ReadFile(path); err != nil || string(data) != text {
			t.Fatalf("%q %v", data, err)
		}
	}
	info, _ := os.Stat(path)
	folder, _ := os.Stat(dir)
	entries, _ := os.ReadDir(dir)
	if info.Mode().Perm() != Private || folder.Mode().Perm() != PrivateDir || len(entries) != 1 {
		t.Fatalf("%v %v %v", info.Mode(), folder.Mode(), entries)
	}
}

func TestAFolderHasOneServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "server", "lock")
	// Somebody who puts a CA there comes first.
	os.MkdirAll(filepath.Join(filepath.Dir(path), "tls"), 0o755)
	release, err := Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(path); err == nil || !strings.Contains(err.Error(), "another server runs") {
		t.Fatalf("got %v", err)
	}
	if folder, _ := os.Stat(filepath.Dir(path)); folder.Mode().Perm() != PrivateDir {
		t.Fatal(folder.Mode())
	}
	release()
	if release, err = Lock(path); err != nil {
		t.Fatal(err)
	}
	release()
}
