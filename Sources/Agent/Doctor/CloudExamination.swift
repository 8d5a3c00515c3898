import AliyunOTA
import FerryCore
import Logging

/// The cloud, asked as the agent would ask it: without a side effect there.
struct CloudExamination: Sendable {
    var configuration: Configuration
    var environment: [String: String]

    private static let limit = Duration.seconds(20)

    func findings() async -> [Finding] {
        let clock = ServerClock()
        let quiet = Logger(label: "doctor") { _ in SwiftLogNoOpLogHandler() }
        let (client, http) = configuration.cloudClient(clock: clock, environment: environment, logger: quiet)
        return [proxy] + (await endpoint(http, clock)) + ClockExamination(offset: clock.offset).findings()
            + (clock.offset == nil ? [] : await account(client))
    }

    /// The clock alone, where the cloud is not to be asked.
    static func withoutCloud() -> [Finding] {
        [Finding(.cloud, .skipped, "The cloud was not asked", remedy: "Leave --offline out")]
            + ClockExamination(offset: nil).findings()
    }

    private var host: String { configuration.cloud.apiEndpoint.host }

    /// Whether anything answers at all. The answer's `Date` is learned.
    private func endpoint(_ http: HTTPClient, _ clock: ServerClock) async -> [Finding] {
        var request = HTTPRequest(.get, url: configuration.cloud.apiEndpoint.url)
        request.timeout = Self.limit
        let begun = ContinuousClock.now
        do throws(HTTPFailure) {
            let response = try await http.send(request)
            clock.learn(dateHeader: response.headers["date"])
            let took = (ContinuousClock.now - begun).milliseconds
            guard clock.offset != nil else {
                return [
                    Finding(
                        .cloud,
                        .error,
                        "\(host) answered without a date (HTTP status \(response.status))",
                        why: "this is not the cloud's API",
                        remedy: "Look at cloud.endpoint and cloud.region"
                    )
                ]
            }
            return [Finding(.cloud, .ok, "\(host) answered in \(took) ms")]
        } catch {
            let (check, remedy): (DoctorCheck, String) =
                switch error.kind {
                case .unresolved: (.cloud, "Look at DNS, cloud.region and cloud.endpoint")
                case .proxy: (.cloudProxy, "Look at cloud.proxy or https_proxy, and its list of allowed hosts")
                case .tls: (.cloud, "Look at cloud.ca-file, the clock, and whether a proxy opens TLS")
                case .unusable: (.cloud, "Look at cloud.interface and cloud.ca-file")
                default: (.cloud, "Look at the uplink, the firewall, cloud.proxy and cloud.interface")
                }
            return [
                Finding(
                    check,
                    .error,
                    "No answer from \(host): \(error.text)",
                    why: "firmware is taken and waits on the gateway",
                    remedy: remedy
                )
            ]
        }
    }

    private var proxy: Finding {
        if let proxy = configuration.cloud.proxy {
            return Finding(.cloudProxy, .ok, "Calls go through \(proxy) (cloud.proxy)")
        }
        let names =
            configuration.cloud.apiEndpoint.isEncrypted
            ? ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] : ["http_proxy", "all_proxy", "ALL_PROXY"]
        for name in names {
            guard let url = environment[name], !url.isEmpty else { continue }
            let shown = ConfigurationText.withoutUserInfo(url).escaped
            return Finding(
                .cloudProxy,
                .note,
                "This shell has \(name)=\(shown)",
                why: "the service has an environment of its own and may lack it",
                remedy: "Set cloud.proxy, so that both are the same"
            )
        }
        return Finding(.cloudProxy, .ok, "Calls go straight to the cloud")
    }

    /// Two signed calls without a side effect, and a look at where the bytes would go.
    private func account(_ client: OTAClient) async -> [Finding] {
        let file = RightsExamination.facts(file: configuration.credentialsFile)
        if configuration.cloud.credentials.source == .file, !file.isThere, CredentialStore().isHidden {
            let text = "The access key is not readable for this user"
            return [Finding(.cloudCredentials, .skipped, text, remedy: "sudo otaferry doctor")]
        }
        do throws(CloudError) {
            // No firmware has this version: the answer is short.
            _ = try await client.listFirmware(version: "otaferry-doctor")
        } catch {
            return [judged(error, "iot:ListOTAFirmware")]
        }
        do throws(CloudError) {
            let ticket = try await client.requestTicket(suffix: "bin")
            let known = Finding(.cloudCredentials, .ok, "The access key may list firmware and ask for tickets")
            return [known, await storage(client, ticket)]
        } catch {
            return [judged(error, "iot:GenerateOTAUploadURL")]
        }
    }

    private func judged(_ error: CloudError, _ right: String) -> Finding {
        let isOurs = error.reason.code == .credentials
        return Finding(
            isOurs || error.reason.kind != .retry ? .cloudCredentials : .cloud,
            .error,
            error.reason.text,
            why: "nothing reaches the cloud while it lasts",
            remedy: error.reason.hasOwnHint
                ? configuration.named(credentialsHint: error.reason.hint) : "The key needs the right \(right)"
        )
    }

    private func storage(_ client: OTAClient, _ ticket: Ticket) async -> Finding {
        let place = CloudAddress(ticket.host)?.host ?? "the storage"
        do throws(CloudError) {
            let took = try await client.reachStorage(ticket)
            return Finding(.cloudUpload, .ok, "The storage at \(place) answered in \(took.milliseconds) ms")
        } catch {
            return Finding(
                .cloudUpload,
                .error,
                error.reason.text,
                why: "tickets are given, and the bytes cannot be sent",
                remedy: error.reason.hasOwnHint ? error.reason.hint : "Let the firewall pass \(place)"
            )
        }
    }
}
