//! What the terminal shows once the house is open.

use std::net::SocketAddr;

use housecall_crm_api::demo::DemoSignIns;

/// Prints the addresses, and the demo sign-ins when there are any.
pub(crate) fn announce(
    scheme: &str,
    public: SocketAddr,
    private: SocketAddr,
    demo: Option<&DemoSignIns>,
) {
    println!();
    println!("Housecall is ready.");
    println!("  Patient app   {scheme}://{public}/");
    println!("  Portal        {scheme}://{public}/portal/");
    println!("  REST          {scheme}://{public}/api/v1/docs");
    println!("  Metrics       http://{private}/metrics");
    if let Some(demo) = demo {
        println!();
        println!("Demo sign-ins (demo mode: anyone can use them, never in production)");
        println!("  Operators, password {}:", demo.password);
        for operator in &demo.operators {
            println!("    {:<32} {}, {}", operator.email, operator.name, operator.role);
        }
        println!("  Patients, by phone; the one-time code appears here and on the page:");
        for patient in &demo.patients {
            println!("    {:<32} {}", patient.phone, patient.name);
        }
    }
    println!();
    println!("Ctrl-C stops everything; the data stay.");
}
