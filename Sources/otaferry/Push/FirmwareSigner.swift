import FerryCore
import Glibc

/// Signs files as `ssh-keygen -Y sign -n otaferry` does, by running it: keys with passphrases, in agents and on tokens work
/// as people are used to.
enum FirmwareSigner {
    /// What the signature is for; a signature for something else is not one of firmware.
    static let namespace = "otaferry"
    private static let program = "ssh-keygen"
    /// A signature is a few hundred bytes, what the program says about a failure a few lines.
    private static let outputLimit = 64 << 10
    private static let linesLimit = 6
    /// Between two looks whether a person wants to stop.
    private static let interval: Int32 = 50

    /// The armored signature over the bytes of a file.
    static func sign(_ path: String, key: String) throws(SourceFileError) -> String {
        let result = try run(["-q", "-Y", "sign", "-n", namespace, "-f", key], input: path)
        guard result.status == 0, result.output.contains("BEGIN SSH SIGNATURE") else {
            let reason = words(of: result.errors)
            throw SourceFileError(
                text:
                    "\(program) could not sign \(path.shownName) with \(key.shownName)\(reason.isEmpty ? "" : ": \(reason)")",
                hint: reason.contains("passphrase")
                    ? "ssh-add \(key.shellWord) gives the key to ssh-agent, which asks once; --sign \((key + ".pub").shellWord) "
                        + "then signs with it"
                    : ""
            )
        }
        guard SSHSignature(armored: result.output) != nil else {
            throw SourceFileError(
                text: "--sign: gateways do not check signatures of \(key.shownName): take a key of kind ssh-ed25519 or "
                    + "ecdsa-sha2"
            )
        }
        return result.output
    }

    /// What it says, in one line and without the frame that it draws around warnings.
    static func words(of errors: String) -> String {
        let lines = errors.split(whereSeparator: \.isNewline).filter { !$0.hasPrefix("@") }
        return lines.prefix(linesLimit).map { ColumnText.printable(String($0)) }.joined(separator: " ")
    }

    private struct Output {
        var status: Int32
        var output: String
        var errors: String
    }

    /// Runs it with the file as its standard input. It asks for a passphrase at the terminal itself.
    private static func run(_ arguments: [String], input: String) throws(SourceFileError) -> Output {
        var output: [Int32] = [-1, -1]
        var errors: [Int32] = [-1, -1]
        guard pipe(&output) == 0 else { throw SourceFileError(text: "No file descriptor is left for a pipe") }
        guard pipe(&errors) == 0 else {
            output.forEach { close($0) }
            throw SourceFileError(text: "No file descriptor is left for a pipe")
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, input, O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output[1], 1)
        posix_spawn_file_actions_adddup2(&actions, errors[1], 2)
        for descriptor in output + errors { posix_spawn_file_actions_addclose(&actions, descriptor) }
        // This thread holds signals back, and a program that is started inherits that: it would not hear Ctrl-C.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var words: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) } + [nil]
        defer { words.forEach { free($0) } }
        var processID: pid_t = 0
        let code = posix_spawnp(&processID, program, &actions, &attributes, &words, environ)
        close(output[1])
        close(errors[1])
        defer {
            close(output[0])
            close(errors[0])
        }
        guard code == 0 else {
            throw SourceFileError(
                text: code == ENOENT
                    ? "--sign needs \(program), which is not there: apt install openssh-client"
                    : "\(program) could not be started: \(FirmwareSource.systemText(code))"
            )
        }
        let said = collect(output[0], errors[0], of: processID)
        var status: Int32 = 0
        while waitpid(processID, &status, 0) < 0 && errno == EINTR {}
        return Output(status: status, output: said.output, errors: said.errors)
    }

    /// Reads both until the program closes them. A person who wants to stop stops it too: at a terminal Ctrl-C reaches both
    /// at once, any other signal only us.
    private static func collect(
        _ output: Int32,
        _ errors: Int32,
        of processID: pid_t
    ) -> (output: String, errors: String) {
        var bytes: [[UInt8]] = [[], []]
        var descriptors = [output, errors].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        var buffer = [UInt8](repeating: 0, count: 4_096)
        var isStopped = false
        while descriptors.contains(where: { $0.fd >= 0 }) {
            if Interruption.isRequested && !isStopped {
                isStopped = true
                // It gives the terminal back as it found it.
                kill(processID, SIGTERM)
            }
            guard poll(&descriptors, 2, interval) > 0 else { continue }
            for index in 0..<2 where descriptors[index].revents != 0 {
                let count = read(descriptors[index].fd, &buffer, buffer.count)
                if count < 0 && errno == EINTR { continue }
                if count > 0 { bytes[index] += buffer[..<count] }
                // poll(2) ignores a negative descriptor.
                if count <= 0 || bytes[index].count >= outputLimit { descriptors[index].fd = -1 }
            }
        }
        return (String(decoding: bytes[0], as: UTF8.self), String(decoding: bytes[1], as: UTF8.self))
    }
}
