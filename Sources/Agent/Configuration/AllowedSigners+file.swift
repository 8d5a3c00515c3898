import FerryCore

extension AllowedSigners {
    /// Reads a file. Line 0 of a mistake is the file as a whole.
    init(reading path: String) throws(Mistakes) {
        let text: String
        do throws(FileText.Failure) {
            text = try FileText.read(path)
        } catch {
            throw Mistakes([Mistake(line: 0, text: error.text)])
        }
        try self.init(text: text, localOffset: LocalTime.offset(at:))
    }
}

extension Configuration {
    /// Who may sign firmware; nil where it need not be signed. The file was checked with the configuration, and may have
    /// changed since.
    func readSigners() throws -> AllowedSigners? {
        guard let file = intake.allowedSigners else { return nil }
        do throws(AllowedSigners.Mistakes) {
            return try AllowedSigners(reading: file)
        } catch {
            let lines = error.all.map { "\(file):\($0.line): expected \($0.text)" }
            throw AgentError(lines.joined(separator: "\n"), isConfiguration: true)
        }
    }
}
