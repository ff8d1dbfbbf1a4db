"""The L2-SVM on the CPU for more rows and features than `dense` takes: few passes over data that may lie on a disk."""
