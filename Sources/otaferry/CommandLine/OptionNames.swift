import Agent
import ArgumentParser
import FerryCore

/// The options that a command has, to find one that it has not: the parser looks for what is missing first, and calls
/// `--prodct` a missing `--product`.
struct OptionNames {
    /// How they begin a word, such as `--product` and `-h`.
    private let flags: Set<String>
    private let valued: Set<String>

    init(of command: any ParsableCommand.Type) {
        var flags: Set<String> = []
        var valued: Set<String> = []
        // What the parser tells programs of a command.
        let description = try? JSONValue(parsing: Array(command._dumpHelp().utf8))
        for argument in description?["command"]?["arguments"]?.array ?? [] {
            for name in argument["names"]?.array ?? [] {
                guard let text = name["name"]?.string else { continue }
                let word = (name["kind"]?.string == "long" ? "--" : "-") + text
                if argument["kind"]?.string == "option" { valued.insert(word) } else { flags.insert(word) }
            }
        }
        self.flags = flags
        self.valued = valued
    }

    /// The first word that looks like an option and is none, as it was written, without its value.
    func unknown(in words: some Sequence<String>) -> String? {
        var isValue = false
        for word in words {
            if word == "--" { return nil }
            let isOption = word.hasPrefix("-") && word.dropFirst().contains(where: \.isLetter)
            defer { isValue = isOption && valued.contains(word) }
            guard isOption, !(isValue && !word.hasPrefix("--")) else { continue }
            let name = String(word.prefix { $0 != "=" })
            if !flags.contains(name) && !valued.contains(name) { return name }
        }
        return nil
    }

    /// The one that was meant, where one is near. A letter is near to every other.
    func nearest(to name: String) -> String? {
        NearestKey.find(name, among: flags.union(valued).filter { $0.hasPrefix("--") }.sorted())
    }
}

extension Otaferry {
    /// What is wrong with the options of a command line; nil where each is one of its command.
    static func complaint(aboutOptionsOf words: some Collection<String>) -> (text: String, hint: String)? {
        let groups = configuration.groupedSubcommands.flatMap(\.subcommands)
        let commands = configuration.ungroupedSubcommands + groups
        guard let place = words.firstIndex(where: commandNames.contains),
            let command = commands.first(where: { $0._commandName == words[place] })
        else { return nil }
        let names = OptionNames(of: command)
        guard let unknown = names.unknown(in: words[words.index(after: place)...]) else { return nil }
        let nearest = names.nearest(to: unknown).map { "; did you mean \($0)?" } ?? ""
        return (
            "\(words[place]) has no option \(ColumnText.printable(unknown))\(nearest)",
            "\(helpCommand(for: words)) lists them"
        )
    }
}
