import CMosquitto
import FerryCore
import Glibc

/// A file that TLS to the broker needs, all in PEM.
package enum TLSFile: Sendable, Hashable, CaseIterable {
    /// The certificates of the authorities that the broker's has to lead to.
    case authorities
    /// Who we are.
    case certificate
    /// The certificate's private key.
    case key

    /// What is wrong with a file before anybody is spoken to.
    package struct Mistake: Error, Sendable, Equatable {
        package var file: TLSFile
        package var path: String
        /// A clause: `it holds no certificate in PEM`.
        package var text: String
        /// What a person can do, where the clause does not say it.
        package var remedy = ""
    }
}

extension BrokerAccess {
    /// The files that are named, in the order of `TLSFile`.
    private var tlsFiles: [(file: TLSFile, path: String)] {
        [(.authorities, caFile), (.certificate, certificateFile), (.key, keyFile)].compactMap { file, path in
            path.map { (file, $0) }
        }
    }

    /// What is wrong with the files for TLS: one that cannot be read, holds something else, a key with a passphrase or of
    /// another certificate. None where no TLS is spoken. Dates are not looked at: this machine's clock may be wrong, and the
    /// broker's alone counts.
    package var tlsMistakes: [TLSFile.Mistake] {
        guard case .tls = transport else { return [] }
        return tlsFiles.compactMap { file, path in
            mistake(in: file, path).map { TLSFile.Mistake(file: file, path: path, text: $0.text, remedy: $0.remedy) }
        }
    }

    private func mistake(in file: TLSFile, _ path: String) -> (text: String, remedy: String)? {
        var status = stat()
        guard stat(path, &status) == 0, access(path, R_OK) == 0 else {
            return (String(cString: strerror(errno)), "")
        }
        switch status.st_mode & S_IFMT {
        case S_IFDIR: return ("it is a directory", "")
        case S_IFREG where status.st_size == 0: return ("it is empty", "")
        case S_IFREG where otaferry_tls_is_known() == 1: break
        // What a pipe holds can be read once, and that is for the connection.
        default: return nil
        }
        switch file {
        case .authorities, .certificate:
            guard Int(otaferry_tls_certificate(path)) == OTAFERRY_TLS_UNKNOWN else { return nil }
            let isKey = Int(otaferry_tls_key(path, path)) != OTAFERRY_KEY_ABSENT
            return (isKey ? "it holds a private key, and no certificate" : "it holds no certificate in PEM", "")
        case .key:
            switch Int(otaferry_tls_key(path, certificateFile ?? path)) {
            case OTAFERRY_KEY_ABSENT:
                let isCertificate = Int(otaferry_tls_certificate(path)) != OTAFERRY_TLS_UNKNOWN
                return (
                    isCertificate ? "it holds a certificate, and no private key" : "it holds no private key in PEM", ""
                )
            case OTAFERRY_KEY_ENCRYPTED:
                return (
                    "the key has a passphrase, and nobody is there to be asked for it",
                    "openssl pkey -in \(path.shellWord) -out NEW.key writes the key without it; let nobody else read that file"
                )
            case OTAFERRY_KEY_OF_ANOTHER:
                return ("the key is not that of the certificate \((certificateFile ?? "").escaped)", "")
            default: return nil
            }
        }
    }

    /// Whether our own certificate is out of its dates, by this machine's clock.
    var ownCertificateDates: TLSTrouble.Dates {
        guard let certificateFile else { return .unknown }
        return switch Int(otaferry_tls_certificate(certificateFile)) {
        case OTAFERRY_CERTIFICATE_EARLY: .early
        case OTAFERRY_CERTIFICATE_EXPIRED: .expired
        default: .unknown
        }
    }

    /// What of our certificate a broker takes for the user name.
    package enum CertificateName: Sendable {
        case commonName
        /// The whole subject: `CN=otaferry,O=Plant`.
        case subject
    }

    /// What our certificate says; nil without one.
    package func certificateName(_ which: CertificateName) -> String? {
        guard let certificateFile else { return nil }
        var text = [CChar](repeating: 0, count: 1_024)
        guard otaferry_tls_subject(certificateFile, which == .subject ? 1 : 0, &text, Int32(text.count)) == 1 else {
            return nil
        }
        return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
