import AliyunOTA
import Broker
import FerryCore
import Logging

extension Configuration {
    /// The products as the intake and the publication know them.
    var catalog: ProductCatalog {
        ProductCatalog(
            entries: products.map { product in
                ProductCatalog.Entry(
                    alias: product.alias,
                    productKey: product.productKey.text,
                    module: product.module,
                    nameTemplate: product.name.description
                )
            },
            acceptsAnyKey: intake.isAnyProductKeyAllowed
        )
    }

    /// What senders want to know.
    var statusLimits: StatusBoard.Limits {
        StatusBoard.Limits(
            oneShotMax: intake.oneShotMax,
            // Over four times the limit the broker itself withholds the message.
            packetMax: ByteCount(rawValue: min(intake.oneShotMax.rawValue * 4, 268_435_455)),
            credit: intake.credit
        )
    }

    func intakeRules(segment: @escaping @Sendable () -> Int64) -> IntakeRules {
        let rules = products.compactMap { product in product.rule.map { (product.alias, $0) } }
        return IntakeRules(
            admission: Admission(catalog: catalog, openTransfersMax: intake.openTransfersMax),
            catalog: catalog,
            findProduct: { fileName in
                for (alias, rule) in rules {
                    if let version = rule.version(in: fileName).flatMap({ Name($0) }) { return (alias, version) }
                }
                return nil
            },
            orphanMax: intake.orphanMax,
            credit: intake.credit,
            segment: segment
        )
    }

    var publicationPolicy: PublicationPolicy {
        var policy = PublicationPolicy()
        policy.backoff = Backoff(minimum: retry.min, maximum: retry.max)
        policy.attemptsMax = retry.attemptsMax ?? 0
        policy.registerWindow = upload.registerWindow
        return policy
    }

    /// The way to the broker as the agent's user, without the password.
    var brokerAccessWithoutPassword: BrokerAccess {
        let transport: BrokerAccess.Transport =
            switch broker.url {
            case .tcp(let host, let port): .tcp(host: host, port: Int(port))
            case .tls(let host, let port): .tls(host: host, port: Int(port))
            case .unix(let path): .unixSocket(path: path)
            }
        var access = BrokerAccess(transport: transport)
        access.username = broker.username.isEmpty ? nil : broker.username
        access.caFile = broker.caFile
        access.certificateFile = broker.certFile
        access.keyFile = broker.keyFile
        return access
    }

    /// The way to the broker as the agent's user.
    func brokerAccess() throws(AgentError) -> BrokerAccess {
        var access = brokerAccessWithoutPassword
        guard let path = passwordFile else { return access }
        do {
            var text = try FileText.read(path)
            while text.last?.isNewline == true { text.removeLast() }
            access.password = text
        } catch {
            throw AgentError("broker.password-file: \(error.text)", isConfiguration: true)
        }
        return access
    }

    /// The cloud's side: the calls, and the client that carries them.
    func cloudCalls(
        clock: ServerClock,
        board: StatusBoard,
        environment: [String: String],
        logger: Logger
    ) -> (calls: CloudCalls, http: HTTPClient) {
        let (client, http) = cloudClient(clock: clock, environment: environment, logger: logger)
        let pacer = CallPacer(callsPerSecond: quota.callsPerSecond)
        let calls = CloudCalls(
            client: client,
            pacer: pacer,
            clock: clock,
            board: board,
            nameCredentials: { [self] in named(credentialsHint: $0) }
        )
        return (calls, http)
    }

    /// The client of the cloud's calls, and what it sends with.
    func cloudClient(
        clock: ServerClock,
        environment: [String: String],
        logger: Logger
    ) -> (client: OTAClient, http: HTTPClient) {
        var settings = CloudSettings(
            region: cloud.region,
            link: AliyunOTA.LinkSettings(
                caFile: cloud.caFile,
                proxy: cloud.proxy?.url,
                interface: cloud.interface,
                version: AgentVersion.text
            )
        )
        settings.link.certificateTime = { clock.certificateTime(released: AgentVersion.released) }
        settings.endpoint = cloud.apiEndpoint.url
        settings.instanceID = cloud.instanceID
        settings.format = cloud.format == .json ? .json : .xml
        settings.signature = cloud.signature == .v1 ? .v1 : .v3
        settings.uploadHosts = cloud.uploadHosts.map(\.text)
        settings.stallTimeout = upload.stallTimeout
        settings.rateLimit = upload.rateLimit?.bytesPerSecond
        let http = HTTPClient(settings: settings)
        let services = CredentialServices(http: http, clock: clock, logger: logger, region: cloud.region)
        let client = OTAClient(
            settings: settings,
            credentials: credentialSource(services, environment: environment, http: http, clock: clock),
            http: http,
            clock: clock,
            logger: logger
        )
        return (client, http)
    }

    private func credentialSource(
        _ services: CredentialServices,
        environment: [String: String],
        http: HTTPClient,
        clock: ServerClock
    ) -> any CredentialSource {
        switch cloud.credentials.source {
        case .file: CredentialsFile(path: credentialsFile, profile: cloud.credentials.profile, services: services)
        case .chain:
            CredentialChain(environment: environment, home: environment["HOME"] ?? "/root", services: services)
        case .ecsRole: InstanceRole(http: http, clock: clock)
        }
    }
}
