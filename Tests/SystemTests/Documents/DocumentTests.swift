import CloudSimulator
import FerryCore
import Foundation
import TestSupport
import Testing

extension PeopleTests {
    /// What is written for people: the commands in it run, manual pages and completions are sound.
    @Suite("The documents")
    struct DocumentTests {
        private static let package = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../..").standardized.path
        private static let isRoot = geteuid() == 0

        /// The folder with the built programs.
        private static func programs() throws -> String {
            (try ProgramRunner.locate("otaferry") as NSString).deletingLastPathComponent
        }

        private static func has(_ program: String) -> Bool { (try? ProgramRunner.locate(program)) != nil }

        @Test(
            "The commands of the first day and of daily work do what they say, one after the other",
            .enabled(if: isRoot)
        )
        func commands() async throws {
            let pages = ["first-day", "observability", "doctor", "spool", "operations"].map {
                "\(Self.package)/docs/\($0).md"
            }
            let run = try await ProgramRunner.run(
                Self.package + "/packaging/try-documents.sh",
                [try Self.programs()] + pages,
                within: .seconds(180)
            )
            #expect(run.ending == .exited(0), "\(run.text().suffix(4_000))\n\(run.text(.errors).suffix(4_000))")
            let text = run.text()
            for part in [
                "gw1 is online", "pumpctl 2.0.0 is registered as", "ok       cloud-credentials",
                "ok       broker-rights", "ok       broker-senders", "ok       secrets",
                #"otaferry_registered_total{gateway="gw1"} "#, "is forgotten",
            ] {
                #expect(text.contains(part), "\(part) in \(text)")
            }
            #expect(!text.contains("\nerror "))
        }

        @Test("The commands of the README do what they say", .enabled(if: isRoot))
        func readme() async throws {
            let run = try await ProgramRunner.run(
                Self.package + "/packaging/try-documents.sh",
                [try Self.programs(), Self.package + "/README.md"],
                within: .seconds(120)
            )
            #expect(run.ending == .exited(0), "\(run.text().suffix(4_000))\n\(run.text(.errors).suffix(4_000))")
            for part in ["gw1 is online", "a1AbCdEfGhI 2.0.0 is registered as", "Firmware ID"] {
                #expect(run.text().contains(part), "\(part) in \(run.text())")
            }
        }

        /// The headings of a page as links name them.
        private static func anchors(of page: String) -> Set<String> {
            let outside = page.components(separatedBy: "```").enumerated().filter { $0.offset.isMultiple(of: 2) }
            let headings = outside.flatMap { $0.element.split(separator: "\n") }.filter { $0.hasPrefix("#") }
            return Set(
                headings.map { heading in
                    String(
                        heading.drop { $0 == "#" }.dropFirst().lowercased().compactMap { character -> Character? in
                            if character == " " { return "-" }
                            return character.isLetter || character.isNumber || "-_".contains(character)
                                ? character : nil
                        }
                    )
                }
            )
        }

        @Test("Every link of every page leads to a file and a heading that there are")
        func links() throws {
            let listed = try FileManager.default.subpathsOfDirectory(atPath: Self.package + "/docs")
            let pages = try FileManager.default.contentsOfDirectory(atPath: Self.package) + listed.map { "docs/" + $0 }
            var count = 0
            for page in pages where page.hasSuffix(".md") {
                let text = try String(contentsOfFile: Self.package + "/" + page, encoding: .utf8)
                for match in text.matches(of: /\]\(([^)#:]*)(?:#([^)]+))?\)/) {
                    let file = String(match.output.1)
                    let base = URL(filePath: Self.package + "/" + page)
                    let target = file.isEmpty ? base.path : base.deletingLastPathComponent().appending(path: file).path
                    #expect(FileManager.default.fileExists(atPath: target), "\(page): \(file)")
                    count += 1
                    guard let anchor = match.output.2, target.hasSuffix(".md") else { continue }
                    let found = Self.anchors(of: try String(contentsOfFile: target, encoding: .utf8))
                    #expect(found.contains(String(anchor)), "\(page): \(file)#\(anchor)")
                }
            }
            #expect(count > 80)
        }

        @Test("Manual pages for the program and each command say what --help says, without a fault")
        func manual() async throws {
            let folder = try TemporaryFolder("manual")
            let make = try await ProgramRunner.run(
                Self.package + "/packaging/make-documents.sh",
                ["man", try ProgramRunner.locate("otaferry"), folder.path]
            )
            #expect(make.ending == .exited(0), "\(make.text()) \(make.text(.errors))")
            // mandoc writes what it finds wrong.
            #expect(make.lines().count == 1, "\(make.text())")
            let help = try await ProgramRunner.run("otaferry", ["--experimental-dump-help"])
            let commands = try JSONValue(parsing: help.text())["command"]?["subcommands"]?.array ?? []
            let names = commands.compactMap { $0["commandName"]?.string }.filter { $0 != "help" }
            #expect(names.count > 15)
            let keys = try String(contentsOfFile: folder.file("man/otaferry.toml.5"), encoding: .utf8)
            #expect(keys.contains(".It Ic spool.quota\n"))
            for name in names {
                let page = try String(contentsOfFile: folder.file("man/otaferry-\(name).1"), encoding: .utf8)
                #expect(page.contains(".Sh SYNOPSIS"))
                let main = try String(contentsOfFile: folder.file("man/otaferry.1"), encoding: .utf8)
                #expect(main.contains(".It Cm \(name)\n"))
                // The variables that say which agent is meant count for those that ask one alone.
                let isAsking = !["run", "check", "doctor"].contains(name)
                #expect(page.contains("OTAFERRY_KEY_FILE") == isAsking, "\(name)")
            }
            let priority = try String(contentsOfFile: folder.file("man/otaferry-priority.1"), encoding: .utf8)
            #expect(priority.contains(".Ar id\n.Ar number\n"), "\(priority)")
            let push = try String(contentsOfFile: folder.file("man/otaferry-push.1"), encoding: .utf8)
            #expect(push.contains(".It Fl \\-verify , Fl \\-no\\-verify\n"), "\(push)")
        }

        @Test("The simulator's manual page lists each fault by itself, and its commands as they are typed")
        func simulatorManual() async throws {
            let folder = try TemporaryFolder("manual")
            let make = try await ProgramRunner.run(
                Self.package + "/packaging/make-documents.sh",
                ["man", try ProgramRunner.locate("otaferry-cloud"), folder.path]
            )
            #expect(make.ending == .exited(0) && make.lines().count == 1, "\(make.text()) \(make.text(.errors))")
            let page = try String(contentsOfFile: folder.file("man/otaferry-cloud.1"), encoding: .utf8)
            for (word, value, _) in Fault.words where value.isEmpty {
                #expect(page.contains(".It Li \(word.replacing("-", with: "\\-"))\n"), "\(word)")
            }
            #expect(page.contains("\n.Bd -literal\ncurl \\-d throttle=2@ticketx3 "), "\(page)")
            #expect(!page.contains("Ar command") && page.contains(".Xr otaferry 1\n"))
        }

        @Test("Completions for bash, zsh and fish are sound, and bash completes a command and an option")
        func completions() async throws {
            let folder = try TemporaryFolder("completions")
            let make = try await ProgramRunner.run(
                Self.package + "/packaging/make-documents.sh",
                ["completions", try ProgramRunner.locate("otaferry"), folder.path]
            )
            #expect(make.ending == .exited(0), "\(make.text()) \(make.text(.errors))")
            let script = """
                source "$1"
                function_name=$(complete -p otaferry | sed 's/.*-F \\([^ ]*\\).*/\\1/')
                for words in "doc" "doctor --offl" "help li" "push --type d" "describe --type fu"; do
                    COMP_LINE="otaferry $words" COMP_WORDS=(otaferry $words)
                    COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_POINT=${#COMP_LINE}
                    COMPREPLY=()
                    "$function_name" otaferry "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
                    printf '%s\\n' "${COMPREPLY[*]}"
                done
                """
            let bash = try await ProgramRunner.run(
                "bash",
                ["-c", script, "bash", folder.file("completions/bash/otaferry")]
            )
            let zsh = try String(contentsOfFile: folder.file("completions/zsh/_otaferry"), encoding: .utf8)
            #expect(zsh.contains("'*:subcommands:(run check doctor status push list"))
            let fish = try String(contentsOfFile: folder.file("completions/fish/otaferry.fish"), encoding: .utf8)
            #expect(fish.contains(#"otaferry help" -eq 1' -fa 'run check doctor status push list"#))
            #expect(
                bash.lines() == ["doctor", "--offline", "list limits", "delta", "full"],
                "\(bash.text()) \(bash.text(.errors))"
            )
        }
    }
}
