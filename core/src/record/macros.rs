//! The macro that turns a definition into data, and into the two conversions between struct and values.

/// Defines a record type: the struct that apps copy and save, the row that lists show, the [`Definition`], and a macro
/// that repeats the two structs for the bindings.
///
/// A field reads `name: Type = shape [options]`: the shape is a module of [`mod@crate::record`] (`register`, `set`,
/// `keyed`, `text`), the options are methods of [`Field`]. Fields under `row` have columns in the query table and
/// stand in the row; fields under `record` stand in the record only. The two sections may repeat: a field that a later
/// release adds goes into a further pair at the end, so that it is the last one of the struct, and apps that make the
/// struct by position go on. The first field of every record is `deleted`, which no definition names.
///
/// [`Definition`]: crate::record::Definition
/// [`Field`]: crate::record::Field
#[macro_export]
macro_rules! record {
    (
        $(#[$doc:meta])*
        $name:ident, row $row:ident, id $id:ident, kind $kind:ident $kind_name:literal, table $table:literal,
        row_version $row_version:expr, mirror $mirror:ident { $($sections:tt)+ }
        $($rest:tt)+
    ) => {
        $crate::record! {
            @whole
            $(#[$doc])*
            $name, row $row, id $id, kind $kind $kind_name, table $table,
            row_version $row_version, mirror $mirror {
                row {
                    /// When it was deleted; none while it lives.
                    deleted: Option<$crate::value::Instant> = register [columns(&["deleted_ms", "deleted_offset"])],
                }
                record {}
                $($sections)+
            }
            $($rest)+
        }
    };
    (
        @whole
        $(#[$doc:meta])*
        $name:ident, row $row:ident, id $id:ident, kind $kind:ident $kind_name:literal, table $table:literal,
        row_version $row_version:expr, mirror $mirror:ident {
            $(
                row { $( $(#[$rdoc:meta])* $rfield:ident : $rtype:ty = $rshape:ident [ $( $ropt:ident $( ( $($rarg:expr),* ) )? ),* ] , )* }
                record { $( $(#[$fdoc:meta])* $field:ident : $type:ty = $shape:ident [ $( $opt:ident $( ( $($arg:expr),* ) )? ),* ] , )* }
            )+
        }
        skeleton $skeleton:path,
        rules $rules:path,
        headline $headline:path,
        sort $sort:path $(,)?
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Default)]
        pub struct $name {
            /// The record's id.
            pub id: $id,
            /// What the fields were read at; opaque, and empty for a new record.
            pub version: String,
            $(
                $( $(#[$rdoc])* pub $rfield: $rtype, )*
                $( $(#[$fdoc])* pub $field: $type, )*
            )+
        }

        #[doc = concat!("A row of a list of [`", stringify!($name), "`]s; it carries no version, so it cannot be saved.")]
        #[derive(Debug, Clone, PartialEq, Default)]
        pub struct $row {
            /// The record's id.
            pub id: $id,
            $( $( $(#[$rdoc])* pub $rfield: $rtype, )* )+
        }

        #[doc = concat!("The definition of [`", stringify!($name), "`].")]
        pub static DEFINITION: $crate::record::Definition = $crate::record::Definition {
            kind: $crate::record::Kind::$kind,
            name: $kind_name,
            table: $table,
            skeleton: &$skeleton,
            row_version: $row_version,
            fields: &[
                $(
                    $( $crate::record::$rshape::row_field::<$rtype>(stringify!($rfield)) $( .$ropt( $( $($rarg),* )? ) )* , )*
                    $( $crate::record::$shape::field::<$type>(stringify!($field)) $( .$opt( $( $($arg),* )? ) )* , )*
                )+
            ],
            normalize: |values| $crate::record::Record::to_values(&<$name as $crate::record::Record>::from_values(Default::default(), String::new(), values)),
            rules: |values| $rules(&<$name as $crate::record::Record>::from_values(Default::default(), String::new(), values)),
            headline: |values| $headline(&<$name as $crate::record::Record>::from_values(Default::default(), String::new(), values)),
            sort: |values| $sort(&<$name as $crate::record::Record>::from_values(Default::default(), String::new(), values)),
        };

        impl $crate::record::Record for $name {
            const DEFINITION: &'static $crate::record::Definition = &DEFINITION;
            type Row = $row;

            fn to_values(&self) -> $crate::record::Values {
                $crate::record::Values::from_fields(&DEFINITION, vec![
                    $(
                        $( $crate::record::$rshape::write::<$rtype>(&self.$rfield), )*
                        $( $crate::record::$shape::write::<$type>(&self.$field), )*
                    )+
                ])
            }

            fn from_values(id: $crate::id::RecordId, version: String, values: &$crate::record::Values) -> Self {
                let mut record = Self { id: id.into(), version, ..Self::default() };
                $(
                    $( if let Some(value) = values.get(stringify!($rfield)) { record.$rfield = $crate::record::$rshape::read::<$rtype>(value); } )*
                    $( if let Some(value) = values.get(stringify!($field)) { record.$field = $crate::record::$shape::read::<$type>(value); } )*
                )+
                record
            }

            fn from_row(row: $row) -> Self {
                Self { id: row.id, $( $( $rfield: row.$rfield, )* )+ ..Self::default() }
            }

            fn record_id(&self) -> $crate::id::RecordId {
                self.id.0
            }

            fn version(&self) -> &str {
                &self.version
            }
        }

        impl $crate::record::RecordRow for $row {
            const DEFINITION: &'static $crate::record::Definition = &DEFINITION;

            fn read(id: $crate::id::RecordId, columns: &mut $crate::record::Columns<'_>) -> rusqlite::Result<Self> {
                Ok(Self { id: id.into(), $( $( $rfield: $crate::record::$rshape::read_row::<$rtype>(columns)?, )* )+ })
            }
        }

        #[doc = concat!("Repeats [`", stringify!($name), "`] and its row as UniFFI records, in a crate that has these types in scope.")]
        #[macro_export]
        macro_rules! $mirror {
            () => {
                $(#[$doc])*
                #[uniffi::remote(Record)]
                pub struct $name {
                    /// The record's id.
                    pub id: $id,
                    /// What the fields were read at; opaque, and empty for a new record.
                    pub version: String,
                    $(
                        $( $(#[$rdoc])* pub $rfield: $rtype, )*
                        $( $(#[$fdoc])* pub $field: $type, )*
                    )+
                }

                /// A row of a list; it carries no version, so it cannot be saved.
                #[uniffi::remote(Record)]
                pub struct $row {
                    /// The record's id.
                    pub id: $id,
                    $( $( $(#[$rdoc])* pub $rfield: $rtype, )* )+
                }
            };
        }
    };
}
