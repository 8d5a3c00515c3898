import Glibc
@_silgen_name("syscall") func syscall(_ n: Int) -> Int
@_silgen_name("getpriority") func gp(_ w: Int32, _ i: UInt32) -> Int32
@_silgen_name("setpriority") func sp(_ w: Int32, _ i: UInt32, _ n: Int32) -> Int32
func mine() -> Int32 { gp(0, UInt32(syscall(186))) }
var t = pthread_t()
pthread_create(&t, nil, { _ in
    print("set", sp(0, UInt32(syscall(186)), CommandLine.arguments.count > 1 ? Int32(CommandLine.arguments[1])! : 7), "spool thread", mine())
    for i in 0..<3 { Task.detached { print("pool job", i, "nice", mine()) ; usleep(50000) } }
    sleep(1)
    return nil
}, nil)
pthread_join(t, nil)
