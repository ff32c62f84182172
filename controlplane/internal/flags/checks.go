package flags

import (
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

var (
	dnsName  = regexp.MustCompile(`^(\*\.)?[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)
	labelKey = regexp.MustCompile(`^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$`)
	labelVal = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$`)
)

func isIP(value string) error {
	if net.ParseIP(value) == nil {
		return fmt.Errorf("%q is not an IP address", value)
	}
	return nil
}

// reachable refuses what API server and kubelet refuse only after start:
// others shall use the address, and by one of these they would reach
// themselves.
func reachable(value string) error {
	ip := net.ParseIP(value)
	if ip == nil {
		return fmt.Errorf("%q is not an IP address", value)
	}
	if ip.IsLoopback() || ip.IsUnspecified() || ip.IsLinkLocalUnicast() || ip.IsMulticast() {
		return fmt.Errorf("others cannot reach this machine by %s; give an address of one of its network interfaces", value)
	}
	return nil
}

func isCIDR(value string) error {
	if strings.Contains(value, ",") {
		return fmt.Errorf("%q: dual-stack ranges are not implemented; give one range", value)
	}
	if _, _, err := net.ParseCIDR(value); err != nil {
		return fmt.Errorf("%q is not a range such as 10.43.0.0/16", value)
	}
	return nil
}

func isName(value string) error {
	if net.ParseIP(value) != nil || dnsName.MatchString(value) {
		return nil
	}
	return fmt.Errorf("%q is neither a lower-case DNS name nor an IP address", value)
}

func isMode(value string) error {
	mode, err := strconv.ParseUint(value, 8, 32)
	if err != nil || mode > 0o777 {
		return fmt.Errorf("%q is not an octal file mode such as 0600", value)
	}
	return nil
}

func isLabel(value string) error {
	key, val, found := strings.Cut(value, "=")
	if !found || !labelKey.MatchString(key) || !labelVal.MatchString(val) {
		return fmt.Errorf("%q is not a label of the form key=value", value)
	}
	return nil
}

func isTaint(value string) error {
	rest, effect, found := strings.Cut(value, ":")
	key, val, _ := strings.Cut(rest, "=")
	if !found || !labelKey.MatchString(key) || !labelVal.MatchString(val) {
		return fmt.Errorf("%q is not a taint of the form key=value:effect", value)
	}
	switch effect {
	case "NoSchedule", "PreferNoSchedule", "NoExecute":
		return nil
	}
	return fmt.Errorf("%q: the effect is NoSchedule, PreferNoSchedule or NoExecute", value)
}

func isSocket(value string) error {
	path := strings.TrimPrefix(value, "unix://")
	if !filepath.IsAbs(path) {
		return fmt.Errorf("%q is not a socket of the form unix:///path", value)
	}
	return nil
}

// defaultClusterDNS is what agents tell their pods.
const defaultClusterDNS = "10.43.0.10"

func clusterDNS(value string) error {
	if value == defaultClusterDNS {
		return nil
	}
	return fmt.Errorf("--cluster-dns=%s is not implemented: nothing here tells agents; give each of them --kubelet-arg=cluster-dns=...", value)
}

func pauseImage(value string) error {
	return fmt.Errorf("--pause-image=%s is not implemented: the sandbox image belongs to the container runtime; set sandbox_image in its configuration", value)
}
