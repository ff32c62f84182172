module daas/loadgen

go 1.26
