//! A real Redis, or Valkey, and as much of its protocol (RESP 2) as tests need.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use crate::folder::Folder;
use crate::poll::within;
use crate::process::Process;
use crate::programs::{Programs, free_port};

/// A server in memory with one user, `default`, that has a password.
#[derive(Debug)]
pub struct Redis {
    // Stops when dropped.
    _server: Process,
    port: u16,
}

impl Redis {
    /// Starts one.
    pub fn start(folder: &Folder) -> Self {
        let port = free_port();
        let home = folder.subfolder("redis");
        // Not on the command line, which everybody reads.
        let settings = format!(
            "bind 127.0.0.1\nport {port}\nsave \"\"\nappendonly no\ndir {}\nrequirepass {}\n",
            home.display(),
            Self::PASSWORD
        );
        let file = folder.write("redis.conf", &settings);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("its own file");
        let mut command = Command::new(Programs::redis());
        command.arg(&file);
        let mut server = Process::start("redis", command, folder.path());
        let up = within(Duration::from_secs(30), || {
            server.assert_running();
            RedisConnection::open(port, Self::USER, Self::PASSWORD).ok()
        });
        assert!(up.is_some(), "Redis did not come up");
        Self { _server: server, port }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A connection of the user that may do everything.
    pub fn admin(&self) -> RedisConnection {
        RedisConnection::open(self.port, Self::USER, Self::PASSWORD).expect("the first user may")
    }

    /// The user that is there from the start.
    pub const USER: &'static str = "default";
    /// Its password.
    pub const PASSWORD: &'static str = "first-user-of-a-test";
}

/// A connection on which a user has logged in.
#[derive(Debug)]
pub struct RedisConnection(BufReader<TcpStream>);

/// What a command was answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisReply {
    /// Of either kind.
    Text(String),
    /// An integer.
    Number(i64),
    /// Replies.
    List(Vec<RedisReply>),
    /// There is none of that name.
    Nothing,
}

impl RedisConnection {
    /// Connects and logs in.
    ///
    /// # Errors
    /// When the server is not there, or does not take the user.
    pub fn open(port: u16, user: &str, password: &str) -> Result<Self, String> {
        let stream = TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        let mut connection = Self(BufReader::new(stream));
        connection.ask(&["AUTH", user, password])?;
        Ok(connection)
    }

    /// Sends a command and waits for its reply.
    ///
    /// # Errors
    /// When the server refuses it, or the connection breaks.
    pub fn ask(&mut self, words: &[&str]) -> Result<RedisReply, String> {
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            command.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.0.get_mut().write_all(command.as_bytes()).map_err(|error| error.to_string())?;
        self.reply().map_err(|error| error.to_string())
    }

    fn reply(&mut self) -> io::Result<RedisReply> {
        let line = self.line()?;
        let (kind, rest) = line.split_at_checked(1).ok_or(io::ErrorKind::InvalidData)?;
        let number = || rest.parse::<i64>().map_err(io::Error::other);
        match kind {
            "+" => Ok(RedisReply::Text(rest.to_owned())),
            "-" => Err(io::Error::other(rest.to_owned())),
            ":" => Ok(RedisReply::Number(number()?)),
            "$" => match usize::try_from(number()?) {
                Err(_) => Ok(RedisReply::Nothing),
                Ok(length) => {
                    let mut text = vec![0; length + 2];
                    self.0.read_exact(&mut text)?;
                    text.truncate(length);
                    Ok(RedisReply::Text(String::from_utf8(text).map_err(io::Error::other)?))
                }
            },
            "*" => (0..number()?).map(|_| self.reply()).collect::<io::Result<_>>().map(RedisReply::List),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        match line.strip_suffix("\r\n") {
            Some(line) => Ok(line.to_owned()),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// No reply of these tests takes this long; a hang becomes an error.
const PATIENCE: Duration = Duration::from_secs(30);
