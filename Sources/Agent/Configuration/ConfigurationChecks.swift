import Broker
import FerryCore

/// The checks that concern several keys, or files beside the configuration.
enum ConfigurationChecks {
    /// All mistakes of values that are right by themselves.
    ///
    /// - Parameter unknown: the keys whose values are not known, which are held against nothing; nil: it may be any.
    static func mistakes(
        in configuration: Configuration,
        files: ConfigurationLoader.Files,
        without unknown: Set<String>? = []
    ) -> [ConfigurationMistake] {
        comparisons.flatMap { keys, compare in unknown?.isDisjoint(with: keys) == true ? compare(configuration) : [] }
            + (files == .ignored ? [] : readability(configuration) + signers(configuration))
            + (files == .examined ? tlsFiles(configuration) + metricsFolder(configuration) : [])
    }

    private static let comparisons: [(keys: [String], compare: @Sendable (Configuration) -> [ConfigurationMistake])] = [
        (["retry.min", "retry.max"], { retries($0) }), (["cloud.signature", "cloud.format"], { signature($0) }),
        (["broker.cert-file", "broker.key-file"], { brokerFiles($0) }),
    ]

    /// What files for TLS hold, where they can be read at all.
    private static func tlsFiles(_ configuration: Configuration) -> [ConfigurationMistake] {
        configuration.brokerAccessWithoutPassword.tlsMistakes.compactMap { found in
            guard (try? FileText.checkReadable(found.path)) != nil else { return nil }
            let key = TLSTrouble.Names.configuration[found.file]
            return mistake(
                key,
                configuration,
                "\(found.file.expected): \(found.text)" + (found.remedy.isEmpty ? "" : "; \(found.remedy)")
            )
        }
    }

    /// The file itself is made by the agent.
    private static func metricsFolder(_ configuration: Configuration) -> [ConfigurationMistake] {
        guard let file = configuration.metrics.textfile else { return [] }
        let facts = RightsExamination.facts(folder: DiskExamination.parent(of: file))
        return facts.isThere ? [] : [mistake("metrics.textfile", configuration, "a file in a folder that is there")]
    }

    private static func signers(_ configuration: Configuration) -> [ConfigurationMistake] {
        guard let file = configuration.intake.allowedSigners else { return [] }
        do throws(AllowedSigners.Mistakes) {
            _ = try AllowedSigners(reading: file)
            return []
        } catch {
            return error.all.map { line in
                let place = line.line > 0 ? "in line \(line.line) of it " : "a file that can be read: "
                return mistake("intake.allowed-signers", configuration, place + line.text)
            }
        }
    }

    private static func retries(_ configuration: Configuration) -> [ConfigurationMistake] {
        let retry = configuration.retry
        guard retry.max < retry.min else { return [] }
        if configuration.origins["retry.max"] != nil {
            return [
                mistake("retry.max", configuration, "at least retry.min, which is \"\(retry.min.configurationText)\"")
            ]
        }
        return [mistake("retry.min", configuration, "at most retry.max, which is \"\(retry.max.configurationText)\"")]
    }

    private static func signature(_ configuration: Configuration) -> [ConfigurationMistake] {
        guard configuration.cloud.signature == .v3, configuration.cloud.format == .xml else { return [] }
        return [mistake("cloud.format", configuration, "\"json\" with cloud.signature = \"v3\", which names no format")]
    }

    private static func brokerFiles(_ configuration: Configuration) -> [ConfigurationMistake] {
        switch (configuration.broker.certFile, configuration.broker.keyFile) {
        case (.some, nil): [mistake("broker.cert-file", configuration, "broker.key-file beside it")]
        case (nil, .some): [mistake("broker.key-file", configuration, "broker.cert-file beside it")]
        default: []
        }
    }

    private static func readability(_ configuration: Configuration) -> [ConfigurationMistake] {
        let files = [
            ("broker.password-file", configuration.broker.passwordFile),
            ("broker.ca-file", configuration.broker.caFile),
            ("broker.cert-file", configuration.broker.certFile),
            ("broker.key-file", configuration.broker.keyFile),
            ("cloud.ca-file", configuration.cloud.caFile),
        ]
        var mistakes: [ConfigurationMistake] = []
        for case (let path, let file?) in files {
            do throws(FileText.Failure) {
                try FileText.checkReadable(file)
            } catch {
                mistakes.append(mistake(path, configuration, "a file that can be read: \(error.text)"))
            }
        }
        return mistakes
    }

    private static func mistake(
        _ path: String,
        _ configuration: Configuration,
        _ expected: String
    ) -> ConfigurationMistake {
        let origin = configuration.origins[path]
        return ConfigurationMistake(
            source: origin?.source ?? .file(ConfigurationLoader.defaultPath),
            line: origin?.line,
            key: path,
            value: origin?.value ?? ConfigurationKeys.byPath[path]?.literal(configuration),
            problem: .expected(expected)
        )
    }
}
