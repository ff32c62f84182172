package main

import (
	_ "k8s.io/cri-client/pkg/fake"
	_ "k8s.io/cri-streaming/pkg/streaming"
)

func main() {}
