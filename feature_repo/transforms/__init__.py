"""Pure feature maths: each transform takes lazy frames and returns one; no disk, no network, no clock.

Modules named `…_kernels` hold the compiled loops; the module of the same subject checks, aligns and calls them.
"""
