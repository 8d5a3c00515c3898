import FerryCore

/// Why TLS with a broker did not come about, as far as OpenSSL and the broker tell.
package enum TLSTrouble: Sendable, Equatable {
    /// The broker's certificate was valid once.
    case expired
    /// The broker's certificate will be valid, by this machine's clock.
    case early
    /// The broker's certificate leads to no authority that is trusted here.
    case unknownAuthority
    /// The broker's certificate is for another host.
    case anotherHost
    /// The broker wants a certificate of ours, and there is none.
    case certificateWanted
    /// The broker does not take our certificate.
    case certificateRefused(Refusal, Dates)
    /// The broker hung up before its first word, without an alert.
    case hungUpEarly
    /// A file of ours is of no use.
    case file(TLSFile.Mistake)

    /// Why the broker does not take our certificate, by the alert that it sent.
    package enum Refusal: Sendable, Equatable {
        case expired
        case unknownAuthority
        case other
    }

    /// How our certificate's dates are by this machine's clock.
    package enum Dates: Sendable, Equatable {
        case unknown
        case early
        case expired
    }

    /// What the X509_V_ERR_* of a handshake means (openssl-verification-options(1), x509_vfy.h).
    init?(verification code: Int) {
        switch code {
        // CERT_NOT_YET_VALID
        case 9: self = .early
        // CERT_HAS_EXPIRED
        case 10: self = .expired
        // UNABLE_TO_GET_ISSUER_CERT, CERT_SIGNATURE_FAILURE, DEPTH_ZERO_SELF_SIGNED_CERT, SELF_SIGNED_CERT_IN_CHAIN,
        // UNABLE_TO_GET_ISSUER_CERT_LOCALLY, UNABLE_TO_VERIFY_LEAF_SIGNATURE
        case 2, 7, 18, 19, 20, 21: self = .unknownAuthority
        // HOSTNAME_MISMATCH, IP_ADDRESS_MISMATCH
        case 62, 64: self = .anotherHost
        default: return nil
        }
    }

    /// What an alert of the broker means, by OpenSSL's words: `tlsv13 alert certificate required`.
    init?(alert words: String, from access: BrokerAccess) {
        guard let start = words.firstRange(of: "alert ") else { return nil }
        let hasCertificate = access.certificateFile != nil
        switch words[start.upperBound...] {
        case "certificate required": self = .certificateWanted
        // Before TLS 1.3 this is what a broker says that misses one.
        case "handshake failure" where !hasCertificate: self = .certificateWanted
        case "certificate expired": self = .certificateRefused(.expired, access.ownCertificateDates)
        case "unknown ca": self = .certificateRefused(.unknownAuthority, access.ownCertificateDates)
        case "bad certificate", "unsupported certificate", "certificate revoked", "certificate unknown",
            "access denied",
            "decrypt error", "handshake failure":
            guard hasCertificate else { return nil }
            self = .certificateRefused(.other, access.ownCertificateDates)
        default: return nil
        }
    }

    /// A clause for what happened.
    var text: String {
        switch self {
        case .expired: "the broker's certificate has expired"
        case .early: "the broker's certificate is not valid yet"
        case .unknownAuthority: "the broker's certificate is not trusted"
        case .anotherHost: "the broker's certificate is for another host"
        case .certificateWanted: "the broker wants a client certificate"
        case .certificateRefused: "the broker does not take the client certificate"
        case .hungUpEarly: "the broker hung up before its first word"
        case .file(let mistake): "\(mistake.path.escaped): \(mistake.text)"
        }
    }

    /// How a person names the files and the broker's place: options, variables or keys.
    package struct Names: Sendable {
        package var authorities: String
        package var certificate: String
        package var key: String
        /// Where the broker's host is said: `broker.url`.
        package var broker: String

        package init(authorities: String, certificate: String, key: String, broker: String) {
            self.authorities = authorities
            self.certificate = certificate
            self.key = key
            self.broker = broker
        }

        /// As the agent's configuration does.
        package static let configuration = Names(
            authorities: "broker.ca-file",
            certificate: "broker.cert-file",
            key: "broker.key-file",
            broker: "broker.url"
        )

        package subscript(file: TLSFile) -> String {
            switch file {
            case .authorities: authorities
            case .certificate: certificate
            case .key: key
            }
        }
    }

    /// What a person can do about it.
    package func remedy(_ names: Names) -> String {
        switch self {
        case .expired:
            "Renew the broker's certificate; if it is valid still, the clock of this machine is wrong: date"
        case .early:
            "Set the clock of this machine: date, timedatectl. If it is right, the broker's certificate is too new"
        case .unknownAuthority:
            "\(names.authorities) names the certificates of the authorities that the broker's has to lead to; without it "
                + "those of the system count"
        case .anotherHost:
            "\(names.broker) has to name the broker as its certificate does, under subjectAltName; or give the broker a "
                + "certificate for that name"
        case .certificateWanted:
            "\(names.certificate) and \(names.key) name a certificate of an authority that the broker trusts, and its key"
        case .certificateRefused(.expired, _), .certificateRefused(_, .expired):
            "Renew the certificate that \(names.certificate) names; if it is valid still, look at the clock of this machine "
                + "and of the broker's"
        case .certificateRefused(_, .early):
            "The certificate that \(names.certificate) names is not valid yet: look at the clock of this machine and of the "
                + "broker's"
        case .certificateRefused(.unknownAuthority, _):
            "\(names.certificate) has to name a certificate of an authority that the broker trusts (its cafile)"
        case .certificateRefused(.other, _):
            "\(names.certificate) names a certificate that the broker does not take; its log tells why"
        case .hungUpEarly:
            "The broker hung up before its first word: it may want a client certificate, or a valid one, which "
                + "\(names.certificate) and \(names.key) name; its log tells"
        case .file(let mistake):
            mistake.remedy.isEmpty
                ? "\(names[mistake.file]) has to name \(mistake.file.expected)"
                : mistake.remedy
        }
    }
}

extension TLSFile {
    /// What the file has to be.
    package var expected: String {
        switch self {
        case .authorities: "a file with certificates in PEM"
        case .certificate: "a file with a certificate in PEM"
        case .key: "a file with the certificate's private key in PEM, without a passphrase"
        }
    }
}
