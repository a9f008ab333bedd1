//! Enumerations that survive a newer release: an unknown code is kept and written back unchanged.

/// Defines an enumeration of stored codes with an `Unknown` variant.
macro_rules! codes {
    ($(#[$doc:meta])* $name:ident, default $default:ident, mirror $mirror:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)*
            /// A code that this release does not know; it survives a save.
            Unknown {
                /// The stored code.
                code: String,
            },
        }

        impl $name {
            /// The codes that this release knows, in their natural order.
            pub const CODES: &'static [&'static str] = &[$($code),*];

            /// The stored code.
            pub fn code(&self) -> &str {
                match self {
                    $(Self::$variant => $code,)*
                    Self::Unknown { code } => code,
                }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::$default
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.code())
            }
        }

        impl std::str::FromStr for $name {
            type Err = std::convert::Infallible;
            fn from_str(code: &str) -> Result<Self, Self::Err> {
                Ok(match code {
                    $($code => Self::$variant,)*
                    other => Self::Unknown { code: other.to_owned() },
                })
            }
        }

        impl $crate::value::Register for $name {
            fn to_scalar(&self) -> $crate::value::Scalar {
                $crate::value::Scalar::Str(self.code().to_owned())
            }
            fn from_scalar(scalar: &$crate::value::Scalar) -> Option<Self> {
                match scalar {
                    $crate::value::Scalar::Null => Some(Self::default()),
                    $crate::value::Scalar::Str(code) => code.parse().ok(),
                    _ => None,
                }
            }
        }

        #[doc = concat!("Repeats [`", stringify!($name), "`] as a UniFFI enumeration, in a crate that has it in scope.")]
        #[macro_export]
        macro_rules! $mirror {
            () => {
                $(#[$doc])*
                #[uniffi::remote(Enum)]
                pub enum $name {
                    $($(#[$vdoc])* $variant,)*
                    /// A code that this release does not know; it survives a save.
                    Unknown {
                        /// The stored code.
                        code: String,
                    },
                }
            };
        }
    };
}
pub(crate) use codes;
