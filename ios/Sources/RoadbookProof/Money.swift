import Roadbook

extension Money {
    /// Currencies that have other decimals than two.
    private static let decimals: [String: Int] = [
        "BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0, "UGX": 0, "VND": 0,
        "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0, "BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
    ]

    /// `1000.50 EUR` in minor units: 100050. `nil` for anything else.
    init?(written text: String) {
        let words = text.split(separator: " ")
        guard words.count == 2 else { return nil }
        let currency = String(words[1])
        let decimals = Self.decimals[currency] ?? 2
        let parts = words[0].split(separator: ".", omittingEmptySubsequences: false)
        let fraction = parts.count == 2 ? parts[1] : ""
        guard parts.count <= 2, fraction.count <= decimals else { return nil }
        let padded = fraction + String(repeating: "0", count: decimals - fraction.count)
        guard let minor = Int64(parts[0] + padded) else { return nil }
        self.init(minor: minor, currency: currency)
    }
}
