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

    /// The armored signature over the bytes of a file.
    static func sign(_ path: String, key: String) throws(SourceFileError) -> String {
        let result = try run(["-q", "-Y", "sign", "-n", namespace, "-f", key], input: path)
        guard result.status == 0, result.output.contains("BEGIN SSH SIGNATURE") else {
            let words = result.errors.split(separator: "\n").map { ColumnText.printable(String($0)) }
            let reason = words.isEmpty ? "" : ": \(words.prefix(3).joined(separator: "; "))"
            throw SourceFileError(text: "\(program) could not sign \(path.shownName) with \(key.shownName)\(reason)")
        }
        guard SSHSignature(armored: result.output) != nil else {
            throw SourceFileError(
                text: "--sign: gateways do not check signatures of \(key): take a key of kind ssh-ed25519 or ecdsa-sha2"
            )
        }
        return result.output
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
        var words: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) } + [nil]
        defer { words.forEach { free($0) } }
        var processID: pid_t = 0
        let code = posix_spawnp(&processID, program, &actions, nil, &words, environ)
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
        // What it says about failures is short: it fits the pipe while the signature is read.
        let signature = read(output[0])
        let complaint = read(errors[0])
        var status: Int32 = 0
        while waitpid(processID, &status, 0) < 0 && errno == EINTR {}
        return Output(status: status, output: signature, errors: complaint)
    }

    private static func read(_ descriptor: Int32) -> String {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while bytes.count < outputLimit {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
