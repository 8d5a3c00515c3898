import Agent
import FerryCore

/// The findings of `otaferry doctor` for a person or a program.
struct DoctorReport {
    let findings: [Finding]

    private static let gradeWidth = 7
    private static let checkWidth = DoctorCheck.allCases.reduce(0) { max($0, $1.rawValue.count) }

    var json: JSONValue {
        [
            "findings": .array(findings.map(\.json)), "errors": count(.error), "warnings": count(.warning),
            "notes": count(.note), "skipped": count(.skipped),
        ]
    }

    private func count(_ grade: Finding.Grade) -> JSONValue {
        .integer(Int64(findings.count { $0.grade == grade }))
    }

    /// A line each; on a terminal they are broken at its width.
    func lines(terminal: Terminal) -> [String] {
        findings.flatMap { lines($0, terminal) } + [""] + terminal.lines(of: summary, behind: "", columns: 0)
    }

    private func lines(_ finding: Finding, _ terminal: Terminal) -> [String] {
        let grade = ColumnText.padded(finding.grade.rawValue, to: Self.gradeWidth)
        let check = ColumnText.padded(finding.check.rawValue, to: Self.checkWidth)
        let head = Self.color(finding.grade).map { terminal.colored(grade, $0) } ?? grade
        let indent = Self.gradeWidth + Self.checkWidth + 4
        let text = ColumnText.printable(Self.sentence(finding))
        return terminal.lines(of: text, behind: "\(head)  \(check)  ", columns: indent)
    }

    /// What, why and remedy: `The broker keeps 1000 messages: over that it drops some. Set …`
    static func sentence(_ finding: Finding) -> String {
        let what = finding.text + (finding.why.isEmpty ? "" : ": " + finding.why)
        return [what, finding.remedy].filter { !$0.isEmpty }.map { $0.last == "." ? String($0.dropLast()) : $0 }
            .joined(separator: ". ")
    }

    private static func color(_ grade: Finding.Grade) -> Terminal.Color? {
        switch grade {
        case .ok: .green
        case .note: .cyan
        case .warning: .yellow
        case .error: .red
        case .skipped: nil
        }
    }

    private var summary: String {
        func words(_ grade: Finding.Grade, _ one: String, _ many: String) -> String? {
            let number = findings.count { $0.grade == grade }
            return number == 0 ? nil : "\(number) \(number == 1 ? one : many)"
        }
        let bad = [words(.error, "error", "errors"), words(.warning, "warning", "warnings")].compactMap { $0 }
        let notes = words(.note, "note", "notes").map { [$0] } ?? []
        let rest = [words(.ok, "check is ok", "checks are ok"), words(.skipped, "was skipped", "were skipped")]
            .compactMap { $0 }.joined(separator: ", ")
        return [((bad.isEmpty ? ["Nothing will hurt"] : bad) + notes).joined(separator: ", "), rest].filter {
            !$0.isEmpty
        }
        .joined(separator: "; ")
    }
}
