/* Preloaded into the agent, it makes it one that never syncs: its losses show that the test of power cuts can see any. */
int fsync(int descriptor) {
    (void)descriptor;
    return 0;
}

int fdatasync(int descriptor) {
    (void)descriptor;
    return 0;
}
