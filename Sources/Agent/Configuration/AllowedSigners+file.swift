import FerryCore

extension AllowedSigners {
    /// Reads a file. Line 0 of a mistake is the file as a whole.
    init(reading path: String) throws(Mistake) {
        let text: String
        do throws(FileText.Failure) {
            text = try FileText.read(path)
        } catch {
            throw Mistake(line: 0, text: error.text)
        }
        try self.init(text: text, localOffset: LocalTime.offset(at:))
    }
}

extension Configuration {
    /// Who may sign firmware; nil where it need not be signed. The file was checked with the configuration, and may have
    /// changed since.
    func readSigners() throws -> AllowedSigners? {
        guard let file = intake.allowedSigners else { return nil }
        do throws(AllowedSigners.Mistake) {
            return try AllowedSigners(reading: file)
        } catch {
            throw AgentError("\(file):\(error.line): expected \(error.text)", isConfiguration: true)
        }
    }
}
