import Foundation

/// A process that was started, with the reading ends of its outputs.
struct SpawnedProcess: Sendable {
    let processID: Int32
    let output: Int32
    let errors: Int32
}

private typealias CloseFrom = @convention(c) (UnsafeMutableRawPointer, Int32) -> Int32

/// `posix_spawn_file_actions_addclosefrom_np` of glibc 2.34, which its headers show to GNU sources only.
private let closeFrom: CloseFrom? = dlsym(nil, "posix_spawn_file_actions_addclosefrom_np").map {
    unsafeBitCast($0, to: CloseFrom.self)
}

/// Starts a process on the calling thread.
func spawn(
    _ words: [String],
    _ environment: [String],
    input: String
) -> Result<SpawnedProcess, TestSupportError> {
    var output: [Int32] = [-1, -1]
    var errors: [Int32] = [-1, -1]
    guard pipe(&output) == 0, pipe(&errors) == 0 else {
        return .failure(TestSupportError("Could not make a pipe: errno \(errno)"))
    }
    // All programs are started by one thread: none is started between the pipe and this.
    for descriptor in output + errors { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, input, O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, output[1], 1)
    posix_spawn_file_actions_adddup2(&actions, errors[1], 2)
    let started = start(words, environment, &actions, flags: 0)
    close(output[1])
    close(errors[1])
    return started.map { SpawnedProcess(processID: $0, output: output[0], errors: errors[0]) }.mapError { error in
        close(output[0])
        close(errors[0])
        return error
    }
}

/// Starts a process at a terminal, as the first of a session of its own: Ctrl-C reaches it.
func spawn(
    _ words: [String],
    _ environment: [String],
    terminal: String
) -> Result<pid_t, TestSupportError> {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    // The first terminal that the first process of a session opens becomes its own.
    posix_spawn_file_actions_addopen(&actions, 0, terminal, O_RDWR, 0)
    posix_spawn_file_actions_adddup2(&actions, 0, 1)
    posix_spawn_file_actions_adddup2(&actions, 0, 2)
    return start(words, environment, &actions, flags: startsSession)
}

/// `POSIX_SPAWN_SETSID` of glibc 2.26, which its headers show to GNU sources only.
private let startsSession: Int32 = 0x80

private func start(
    _ words: [String],
    _ environment: [String],
    _ actions: inout posix_spawn_file_actions_t,
    flags: Int32
) -> Result<pid_t, TestSupportError> {
    // Sockets of servers in the test process must not live on in a program: closing them would go unnoticed.
    guard let closeFrom, closeFrom(&actions, 3) == 0 else {
        return .failure(TestSupportError("posix_spawn_file_actions_addclosefrom_np is not there"))
    }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // The test process may ignore signals that the program is tested with.
    var all = sigset_t()
    sigfillset(&all)
    posix_spawnattr_setsigdefault(&attributes, &all)
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(Int32(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK) | flags))
    var argumentList: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    var environmentList: [UnsafeMutablePointer<CChar>?] = environment.map { strdup($0) } + [nil]
    defer { (argumentList + environmentList).forEach { free($0) } }
    var processID: pid_t = 0
    let code = posix_spawn(&processID, words[0], &actions, &attributes, &argumentList, &environmentList)
    guard code == 0 else {
        return .failure(TestSupportError("Could not start \(words.joined(separator: " ")): errno \(code)"))
    }
    return .success(processID)
}
